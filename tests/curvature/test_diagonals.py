"""Curvature against brute force in float64: Jacobians, per-sample gradients and the Hessian itself."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap
from torch.nn import functional as F

from prunebench.curvature import diagonals as curvatures, layer_gradients as module
from prunebench.curvature.kinds import CURVATURES, DRAWS, Curvature
from prunebench.errors import CellError
from prunebench.pruning.network import Group, Network, Slice, Table
from prunebench.scoring.evidence import gather
from prunebench.testing import toys

SAMPLES = 6
NAMES = frozenset({"curvature", "bias_curvature"})


class Sequence(nn.Module):
    """A linear layer on a sequence: every row of the picture is one element."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        scores: Tensor = self.head(self.linear(pictures.squeeze(1)).relu().mean(1))
        return scores


def network_of(layer: nn.Module, first: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), layer, nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))


def wrapped(model: nn.Module) -> Network:
    """A network with a group for every layer, with nothing but its output side."""
    torch.manual_seed(0)
    model = model.double()
    model(toys.batches()[0][0])  # sets the size of lazy layers
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.2 if tensor.ndim == 1 else torch.randn_like(tensor) * 0.4)
    groups = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            units = len(layer.weight)
            groups.append(Group(name, units, (name,), (Slice(name, "out", torch.arange(units)[:, None]),)))
    return Network.dense(model, Table(tuple(groups), {}))


CASES: dict[str, Callable[[], Network]] = {
    "plain": lambda: wrapped(network_of(nn.Conv2d(4, 3, 3))),
    "no bias": lambda: wrapped(network_of(nn.Conv2d(4, 3, 3, bias=False))),
    "strided": lambda: wrapped(network_of(nn.Conv2d(4, 3, (2, 3), stride=(2, 1), padding=(0, 2)))),
    "dilated": lambda: wrapped(network_of(nn.Conv2d(4, 3, 3, dilation=2, padding=1))),
    "same": lambda: wrapped(network_of(nn.Conv2d(4, 3, (2, 4), padding="same"))),
    "reflect": lambda: wrapped(network_of(nn.Conv2d(4, 3, 3, padding=2, padding_mode="reflect"))),
    "circular": lambda: wrapped(network_of(nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular"))),
    "grouped": lambda: wrapped(network_of(nn.Conv2d(4, 6, 3, groups=2))),
    "depthwise": lambda: wrapped(network_of(nn.Conv2d(4, 8, 3, groups=4, padding=1))),
    "one position": lambda: wrapped(network_of(nn.Conv2d(4, 6, 6, groups=2))),
    "few positions": lambda: wrapped(network_of(nn.Conv2d(4, 6, 5, groups=2))),
    "sequence": lambda: wrapped(Sequence()),
    "chain with BatchNorm": toys.chain,
    "residual": toys.residual,
    "depthwise with BatchNorm": toys.depthwise,
}


def data() -> tuple[Tensor, Tensor]:
    pictures, labels = zip(*toys.batches(2, 4), strict=True)
    return torch.cat(pictures), torch.cat(labels)


def curvature(network: Network, kind: str, seed: int = 0, draws: float = 1) -> dict[str, dict[str, Tensor]]:
    return gather(network, NAMES, data(), torch.Generator().manual_seed(seed), Curvature(kind, draws))


def per_sample(network: Network, function: Callable[[Tensor, Tensor], Tensor], derive: Any) -> dict[str, Tensor]:
    """Derivatives of function(logits (1, classes), label) per sample and parameter, by torch.func."""
    network.model.eval()
    state = {name: value.detach() for name, value in network.model.named_parameters()}

    def of_sample(parameters: dict[str, Tensor], picture: Tensor, label: Tensor) -> Tensor:
        return function(functional_call(network.model, parameters, (picture[None],)), label)

    pictures, labels = data()
    result: dict[str, Tensor] = vmap(derive(of_sample), (None, 0, 0))(state, pictures, labels)
    return result


def assert_equal_to(found: dict[str, dict[str, Tensor]], wanted: dict[str, Tensor]) -> None:
    for layer, values in found.items():
        expected = wanted[f"{layer}.weight"].flatten(1)
        torch.testing.assert_close(values["curvature"], expected, rtol=1e-8, atol=1e-8 * float(expected.max()))
        if f"{layer}.bias" in wanted:
            torch.testing.assert_close(values["bias_curvature"], wanted[f"{layer}.bias"], rtol=1e-8, atol=1e-14)


def gauss_newton(network: Network) -> dict[str, Tensor]:
    """diag(J^T (diag(p) - p p^T) J), averaged over samples, with J from forward definitions."""
    jacobians = per_sample(network, lambda logits, _: logits[0], jacrev)
    p = network.model(data()[0]).detach().softmax(1)
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    return {name: torch.einsum("ncd,nc...,nd...->...", inner, j, j) / len(p) for name, j in jacobians.items()}


# PyTorch says that an even kernel with padding "same" costs it a copy: that padding is not symmetric is what we test.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", CASES)
def test_exact_is_the_gauss_newton_diagonal(case: str) -> None:
    network = CASES[case]()
    assert_equal_to(curvature(network, "exact"), gauss_newton(network))


@pytest.mark.parametrize("case", ["plain", "depthwise", "residual", "chain with BatchNorm"])
def test_empirical_is_the_mean_of_squared_per_sample_gradients(case: str) -> None:
    network = CASES[case]()
    gradients = per_sample(network, lambda logits, label: F.cross_entropy(logits, label[None]), grad)
    assert_equal_to(curvature(network, "empirical"), {name: g.square().mean(0) for name, g in gradients.items()})


@pytest.mark.parametrize("case", ["strided", "grouped", "chain with BatchNorm", "residual"])
def test_exact_is_the_hessian_diagonal_of_a_relu_network(case: str) -> None:
    network = CASES[case]()
    network.model.eval()
    pictures, labels = data()
    for layer, values in curvature(network, "exact").items():
        weight = network.layer(layer).get_parameter("weight").detach()

        def loss(w: Tensor, name: str = f"{layer}.weight") -> Tensor:
            logits = functional_call(network.model, {name: w}, (pictures,))
            return F.cross_entropy(logits, labels)

        hessian = torch.autograd.functional.hessian(loss, weight)  # type: ignore[no-untyped-call]
        diagonal = hessian.reshape(weight.numel(), weight.numel()).diagonal()
        torch.testing.assert_close(values["curvature"].flatten(), diagonal, rtol=1e-8, atol=1e-12)


def test_sampled_is_unbiased() -> None:
    network = CASES["depthwise with BatchNorm"]()
    exact = curvature(network, "exact")
    draws = [curvature(network, "sampled", seed) for seed in range(300)]
    for layer, wanted in exact.items():
        for name, target in wanted.items():
            values = torch.stack([draw[layer][name] for draw in draws])
            error = values.std(0) / len(draws) ** 0.5
            assert ((values.mean(0) - target).abs() <= 4.5 * error + 1e-12).all()
            assert values.std(0).max() > 0


def test_float32_is_close_and_never_negative() -> None:
    network = CASES["few positions"]()
    wanted = curvature(network, "exact")
    network.model.float()
    for layer, values in curvature(network, "exact").items():
        assert values["curvature"].dtype == torch.float32
        assert (values["curvature"] >= 0).all()
        torch.testing.assert_close(values["curvature"].double(), wanted[layer]["curvature"], rtol=1e-3, atol=1e-6)


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(CellError, match="Conv1d layer is not supported"):
        module.squares(nn.Conv1d(1, 1, 1), torch.ones(1, 1, 1), torch.ones(1, 1, 1, 1))


def test_the_square_of_the_mean_gradient_is_something_else() -> None:
    network = CASES["plain"]()
    found = curvature(network, "empirical")["0"]["curvature"]
    mean = gather(network, frozenset({"grad"}), data(), torch.Generator())["0"]["grad"]
    assert (found >= mean.square()).all()
    assert (found > 1.5 * mean.square()).any()


def test_only_random_curvatures_depend_on_the_generator() -> None:
    network = CASES["residual"]()
    for kind in CURVATURES:
        first, second = curvature(network, kind, 0)["stem"], curvature(network, kind, 1)["stem"]
        assert torch.equal(first["curvature"], second["curvature"]) == (kind not in DRAWS)


def test_many_pictures_and_classes_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    network = CASES["residual"]()
    monkeypatch.setattr(curvatures, "PICTURES", 4)
    monkeypatch.setattr(curvatures, "VECTORS", 1)
    assert_equal_to(curvature(network, "exact"), gauss_newton(network))


def test_what_a_layer_was_given_must_stay() -> None:
    class Changed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 1)

        def forward(self, pictures: Tensor) -> Tensor:
            x = self.a(pictures)
            y = self.b(x)
            x += 1
            scores: Tensor = (x + y).mean((2, 3))
            return scores

    with pytest.raises(CellError, match="the input of layer 'b' is changed in place after the layer ran"):
        curvature(wrapped(Changed()), "exact")


def test_a_network_that_has_diverged_is_said() -> None:
    network = CASES["plain"]()
    with torch.no_grad():
        network.layer("0").get_parameter("weight")[0] = float("nan")
    with pytest.raises(CellError, match="outputs on the calibration pictures are not finite"):
        curvature(network, "sampled")
