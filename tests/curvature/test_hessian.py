"""The Hessian's diagonal against brute force, where it is not that of the Gauss-Newton matrix."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from prunebench.curvature import hessian as module
from prunebench.curvature.kinds import Curvature
from prunebench.errors import CellError
from prunebench.pruning.network import Group, Network, Slice, Table
from prunebench.scoring.evidence import gather
from prunebench.testing import toys

NAMES = frozenset({"curvature", "bias_curvature"})


class Rows(nn.Module):
    """A linear layer on sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.head = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        scores: Tensor = self.head(self.linear(pictures.squeeze(1)).tanh().mean(1))
        return scores


def smooth() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.SiLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 2, groups=2, stride=2, padding=1, bias=False), nn.Tanh()),
        *(nn.Flatten(), nn.Linear(24, 7), nn.GELU(), nn.Linear(7, 3)),
    )


def network(model: nn.Module) -> Network:
    groups = []
    for name, layer in model.double().named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            units = len(layer.weight)
            groups.append(Group(name, units, (name,), (Slice(name, "out", torch.arange(units)[:, None]),)))
    draws = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(
                torch.rand(tensor.shape, generator=draws, dtype=tensor.dtype) - (0.4 if tensor.ndim > 1 else -0.2)
            )
    return Network.dense(model, Table(tuple(groups), {}))


def curvature(net: Network, kind: str, seed: int = 0, draws: int = 1) -> dict[str, dict[str, Tensor]]:
    return gather(net, NAMES, toys.batches()[0], torch.Generator().manual_seed(seed), Curvature(kind, draws))


def brute_force(net: Network, layer: str) -> dict[str, Tensor]:
    net.model.eval()
    pictures, labels = toys.batches()[0]
    found = {"bias_curvature": torch.zeros(len(net.layer(layer).get_parameter("weight"))).double()}
    for name, value in net.layer(layer).named_parameters():
        value = value.detach()

        def loss(w: Tensor, full: str = f"{layer}.{name}") -> Tensor:
            return F.cross_entropy(functional_call(net.model, {full: w}, (pictures,)), labels)

        hessian = torch.autograd.functional.hessian(loss, value)  # type: ignore[no-untyped-call]
        diagonal = hessian.reshape(value.numel(), -1).diagonal()
        found["curvature" if name == "weight" else "bias_curvature"] = diagonal.reshape(len(value), -1)
    found["bias_curvature"] = found["bias_curvature"].flatten()
    return found


@pytest.mark.parametrize("model", [smooth, Rows])
def test_it_is_the_hessian_diagonal(model: type[nn.Module]) -> None:
    net = network(model())
    exact = curvature(net, "exact")
    for layer, values in curvature(net, "hessian").items():
        wanted = brute_force(net, layer)
        for name, value in values.items():
            torch.testing.assert_close(value, wanted[name], rtol=1e-8, atol=1e-12)
    first = next(iter(exact))
    assert not torch.allclose(exact[first]["curvature"], brute_force(net, first)["curvature"], rtol=0.01)


@pytest.mark.parametrize("toy", ["residual", "depthwise", "grouped"])
def test_it_is_the_gauss_newton_diagonal_of_a_relu_network(toy: str) -> None:
    net = toys.TOYS[toy]()
    exact = curvature(net, "exact")
    for layer, values in curvature(net, "hessian").items():
        torch.testing.assert_close(values["curvature"], exact[layer]["curvature"], rtol=1e-8, atol=1e-12)
        wanted = exact[layer]["bias_curvature"] * (net.layer(layer).bias is not None)
        torch.testing.assert_close(values["bias_curvature"], wanted, rtol=1e-8, atol=1e-12)


def test_products_are_as_few_as_outputs_or_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    net, ways = network(smooth()), []
    for name in ("_by_outputs", "_by_parameter"):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *args, name=name, original=original: ways.append(name) or original(*args)
        )
    curvature(net, "hessian")
    assert ways == [
        "_by_parameter",
        "_by_parameter",
        "_by_outputs",
        "_by_outputs",
        "_by_outputs",
    ]  # 40 of 144, 24 of 48


def test_probes_are_unbiased_and_more_of_them_vary_less() -> None:
    net = network(smooth())
    wanted = curvature(net, "hessian")
    spread = {}
    for draws in (1, 4):
        found = [curvature(net, "hutchinson", seed, draws) for seed in range(160 // draws)]
        for layer, values in wanted.items():
            for name, value in values.items():
                each = torch.stack([one[layer][name] for one in found])
                error = each.std(0) / len(found) ** 0.5
                assert ((each.mean(0) - value).abs() <= 5 * error + 1e-9).all()
                spread[layer, name, draws] = float(each.var(0).mean())
    ratios = torch.tensor(
        [spread[la, na, 1] / spread[la, na, 4] for la, na, d in spread if d == 4 and spread[la, na, 4]]
    )
    assert 2.5 < ratios.median() < 6


def test_a_layer_that_does_not_run_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    model.register_module("idle", None)
    net = network(model)
    net.model.forward = lambda pictures: pictures.flatten(1)[:, :3]  # type: ignore[method-assign]
    with pytest.raises(CellError, match="layer '1' runs 0 times in a forward pass"):
        curvature(net, "hessian")
