"""Repairs: against explicit matrices of patches and torch's own least squares, on networks cut by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.errors import CellError
from prunebench.pruning.masks import without
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.repair import repairing
from prunebench.repair.repairing import repair
from prunebench.testing import toys

Batches = list[tuple[Tensor, Tensor]]
HOWS = ("batchnorm", "bias", "least-squares")
ROUNDING = 1e-24  # of the squares of numbers near 1


def seen(network: Network, name: str, batches: Batches) -> tuple[Tensor, Tensor]:
    """What a layer reads and gives over all pictures, in eval mode."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        kept.extend((inputs[0].clone(), output.clone()))

    handle = network.layer(name).register_forward_hook(keep)
    with torch.no_grad():
        network.model.eval()(torch.cat([pictures for pictures, _ in batches]))
    handle.remove()
    return kept[0], kept[1]


def kept_outputs(before: Network, after: Network, name: str, wanted: Tensor) -> Tensor:
    """The outputs that are left, found by the table's positions of the kept units."""
    gone = [
        part.index[[u for u in range(group.units) if u not in after.kept[group.name]]].flatten()
        for group in before.table.groups
        for part in group.slices
        if (part.layer, part.side) == (name, "out")
    ]
    lost = set(torch.cat(gone).tolist()) if gone else set()
    return wanted[:, [place for place in range(wanted.shape[1]) if place not in lost]]


def patches(layer: Any, inputs: Tensor) -> list[Tensor]:
    """The matrix (samples, fan_in) of each convolution group; one for a linear layer."""
    if isinstance(layer, nn.Linear):
        return [inputs]
    parts = inputs.chunk(layer.groups, 1)
    unfolded = [F.unfold(part, layer.kernel_size, layer.dilation, layer.padding, layer.stride) for part in parts]
    return [part.transpose(1, 2).flatten(0, 1) for part in unfolded]


def as_rows(outputs: Tensor) -> Tensor:
    return outputs if outputs.ndim == 2 else outputs.flatten(2).transpose(1, 2).flatten(0, 1)


def offset(network: Network, place: str, value: Tensor) -> None:
    module: Any = network.layer(place)
    if isinstance(module, nn.BatchNorm2d):
        module.running_mean -= value
    else:
        module.bias.data += value


def brute_force(before: Network, after: Network, readers: dict[str, str], batches: Batches, ridge: float) -> None:
    """Refit layer after layer: least squares on the stacked matrix of patches and the ridge's rows."""
    for name, place in readers.items():
        layer: Any = after.layer(name)
        inputs, given = seen(after, name, batches)
        wanted = kept_outputs(before, after, name, seen(before, name, batches)[1])
        groups = getattr(layer, "groups", 1)
        offsets = []
        for number, (x, e) in enumerate(
            zip(patches(layer, inputs), as_rows(wanted - given).chunk(groups, 1), strict=True)
        ):
            fan_in = x.shape[1]
            spread = (x - x.mean(0)) if place else x
            rows = (ridge * spread.square().sum(0).mean()).sqrt() * torch.eye(fan_in, dtype=x.dtype)
            ones = torch.ones(len(x), 1, dtype=x.dtype) if place else x[:, :0]
            matrix = torch.cat([torch.cat([x, ones], 1), torch.cat([rows, rows.new_zeros(fan_in, ones.shape[1])], 1)])
            found = torch.linalg.lstsq(matrix, torch.cat([e, e.new_zeros(fan_in, e.shape[1])]), driver="gelsd").solution
            units = e.shape[1]
            rows_of_group = slice(number * units, (number + 1) * units)
            layer.weight.data[rows_of_group] += found[:fan_in].T.reshape(layer.weight[rows_of_group].shape)
            offsets.append(found[fan_in:].flatten())
        if place:
            offset(after, place, torch.cat(offsets))


def same_state(one: Network, other: Network, tolerance: float = 1e-8) -> None:
    for (name, a), b in zip(one.model.state_dict().items(), other.model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_least_squares_equals_the_brute_force_solution(case: Any, batches: Batches, ridge: float) -> None:
    before = case.build()
    after, truth = case.cut(before), case.cut(before)
    repair("least-squares", before, after, batches, ridge)
    brute_force(before, truth, case.readers, batches, ridge)
    same_state(after, truth)


def test_bias_gives_every_reader_its_old_means(case: Any, batches: Batches) -> None:
    before = case.build()
    after, truth = case.cut(before), case.cut(before)
    repair("bias", before, after, batches)
    for name, place in case.readers.items():
        if place:
            wanted = kept_outputs(before, truth, name, seen(before, name, batches)[1])
            offset(truth, place, as_rows(wanted - seen(truth, name, batches)[1]).mean(0))
    same_state(after, truth)


def test_batchnorm_takes_the_statistics_of_its_own_inputs(batches: Batches) -> None:
    before = toys.chain()
    after = remove(before, {"0": torch.tensor([1, 4])})
    repair("batchnorm", before, after, batches[:1])
    norm: Any = after.layer("3")
    inputs, _ = seen(after, "3", batches[:1])
    torch.testing.assert_close(norm.running_mean, inputs.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, inputs.transpose(0, 1).flatten(1).var(1))
    assert norm.momentum == 0.1
    assert torch.equal(after.layer("2").weight, before.layer("2").weight[:, [0, 2, 3, 5]])  # type: ignore[index]


def logits(network: Network, batches: Batches) -> Tensor:
    with torch.no_grad():
        found: Tensor = network.model.eval()(torch.cat([pictures for pictures, _ in batches]))
    return found


@torch.no_grad()
def make_twins(network: Network, twins: dict[str, dict[int, int]]) -> None:
    """Give units all that their twins have: weights that write them, biases, BatchNorm."""
    for group in network.table.groups:
        for part in group.slices:
            module = network.layer(part.layer)
            for gone, kept in twins[group.name].items() if part.side == "out" or "bn" in part.layer else ():
                for tensor in module.state_dict().values():
                    if tensor.ndim:
                        tensor[part.index[gone]] = tensor[part.index[kept]].clone()


def test_least_squares_restores_a_network_whose_removed_units_have_twins(case: Any, batches: Batches) -> None:
    before = case.build()
    make_twins(before, case.twins)
    after = case.cut(before)
    dense = logits(before, batches)
    assert (logits(after, batches) - dense).abs().max() > 0.01
    repair("least-squares", before, after, batches, ridge=1e-10)
    torch.testing.assert_close(logits(after, batches), dense, rtol=0, atol=1e-6)


@torch.no_grad()
def make_constant(network: Network, twins: dict[str, dict[int, int]]) -> None:
    """Give the removed units constant outputs: no weights, only a bias, in the layer or its BatchNorm."""
    for group in network.table.groups:
        for part in group.slices:
            module: Any = network.layer(part.layer)
            for unit in twins.get(group.name, {}) if part.side == "out" else ():
                module.weight[part.index[unit]] = 0
                if module.bias is not None:
                    module.bias[part.index[unit]] = 0.3


@pytest.mark.parametrize("name", ["chain", "depthwise"])
def test_bias_restores_a_network_whose_removed_units_are_constant(name: str, cases: Any, batches: Batches) -> None:
    case = cases[name]
    before = case.build()
    make_constant(before, case.twins)
    after = case.cut(before)
    assert (logits(after, batches) - logits(before, batches)).abs().max() > 0.01
    repair("bias", before, after, batches)
    torch.testing.assert_close(logits(after, batches), logits(before, batches))


def error(before: Network, after: Network, name: str, place: str, batches: Batches) -> float:
    """Squared error of a layer's outputs, behind a shift of the running mean of its own BatchNorm."""
    wanted = kept_outputs(before, after, name, seen(before, name, batches)[1])
    given = seen(after, name, batches)[1]
    if place != name and place:
        mean = after.layer(place).running_mean
        old = kept_outputs(before, after, name, before.layer(place).running_mean[None])[0]  # type: ignore[index]
        given = given - (mean - old).view(1, -1, 1, 1)  # type: ignore[operator]
    return float((wanted - given).square().sum())


@pytest.mark.parametrize("how", ["bias", "least-squares"])
@pytest.mark.parametrize("ridge", [1e-8, 1e-3, 10.0])
def test_no_layer_gets_a_larger_error(
    case: Any, batches: Batches, how: Any, ridge: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = case.build()
    after = case.cut(before)
    errors: dict[str, list[float]] = {}
    for step in ("refit", "shift_to_mean"):
        original = getattr(repairing, step)

        def watched(b: Network, a: Network, name: str, *others: Any, original: Any = original, **more: Any) -> None:
            errors[name] = [error(b, a, name, case.readers[name], batches)]
            original(b, a, name, *others, **more)
            errors[name].append(error(b, a, name, case.readers[name], batches))

        monkeypatch.setattr(repairing, step, watched)
    repair(how, before, after, batches, ridge)
    assert list(errors) == list(case.readers)
    for name, (first, then) in errors.items():
        if first < ROUNDING:  # nothing changes before the depthwise convolution
            assert name == "3" and then < ROUNDING
        else:
            assert then <= first * (1 + 1e-12), name
            assert then < first or (how == "bias" and not case.readers[name])


@pytest.mark.parametrize("how", HOWS)
def test_what_is_left_as_it_was(case: Any, batches: Batches, how: Any) -> None:
    before, fresh = case.build(), case.build()
    before.model.train(), fresh.model.train()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    after = case.cut(before)
    repair(how, before, after, batches)
    same_state(before, fresh, 0)
    assert torch.equal(torch.get_rng_state(), state)
    for network in (before, after):
        assert all(module.training and not module._forward_hooks for module in network.model.modules())
        assert all(one.requires_grad and one.grad is None for one in network.model.parameters())
        assert all(norm.momentum == 0.1 for norm in network.model.modules() if isinstance(norm, nn.BatchNorm2d))


@pytest.mark.parametrize("how", ["none", *HOWS])
def test_without_a_cut_nothing_is_repaired(how: Any, batches: Batches) -> None:
    before = toys.chain()
    after = remove(before, {})
    repair(how, before, after, batches)
    same_state(after, before, 0)


def test_a_second_cut_is_repaired_to_the_network_before_it(batches: Batches) -> None:
    dense = toys.chain()
    first = remove(dense, {"0": torch.tensor([1]), "6": torch.tensor([3])})
    repair("least-squares", dense, first, batches)
    second, truth = (remove(first, {"0": torch.tensor([4]), "2": torch.tensor([0])}) for _ in range(2))
    repair("least-squares", first, second, batches)
    for name, place in {"2": "3", "6": "6"}.items():
        inputs, given = seen(truth, name, batches)
        wanted = seen(first, name, batches)[1]
        wanted = wanted[:, 1:] if name == "2" else wanted
        x, e = patches(truth.layer(name), inputs)[0], as_rows(wanted - given)
        spread = x - x.mean(0)
        square = spread.T @ spread
        change = torch.linalg.solve(square + 1e-2 * square.diagonal().mean() * torch.eye(len(square)), spread.T @ e)
        weight: Any = truth.layer(name).weight
        weight.data += change.T.reshape(weight.shape)
        offset(truth, place, (e - x @ change).mean(0))
    same_state(second, truth)


def test_biases_after_single_weights_were_removed(batches: Batches) -> None:
    before = toys.chain()
    after = without(before, {"2": torch.tensor([0, 5, 7]), "9": torch.tensor([1])})
    repair("bias", before, after, batches)
    for name, place in {"2": "3", "9": "9"}.items():
        assert error(before, after, name, place, batches) > 0
        wanted, given = (seen(one, name, batches)[1] for one in (before, after))
        shift: Any = 0
        if place != name:
            norms: Any = [one.layer(place).running_mean for one in (before, after)]
            shift = norms[0] - norms[1]
        assert torch.allclose(as_rows(wanted).mean(0), as_rows(given).mean(0) + shift, atol=1e-12)
    assert not (after.layer("2").weight * ~after.masks["2"]).any()  # type: ignore[operator]


class Standardised(nn.Conv2d):
    def forward(self, pictures: Tensor) -> Tensor:
        return F.conv2d(pictures, self.weight - self.weight.mean(), self.bias, padding=1)


@pytest.mark.parametrize("how", ["bias", "least-squares"])
def test_layers_that_cannot_be_repaired_are_named(how: Any, batches: Batches) -> None:
    before = toys.residual()
    model: Any = before.model
    after = remove(before, {"stem": torch.tensor([0])})
    twice: Any = after.model
    forward = twice.forward
    twice.forward = lambda pictures: forward(pictures) + forward(pictures)
    with pytest.raises(CellError, match=r"layer 'conv' runs more than once .* give --repair batchnorm"):
        repair(how, before, after, batches)
    model.conv.__class__ = Standardised
    after = remove(before, {"stem": torch.tensor([0])})
    with pytest.raises(CellError, match=r"layer 'conv' \(Standardised\) computes more than a product"):
        repair(how, before, after, batches)
