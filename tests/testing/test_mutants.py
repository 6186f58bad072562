"""A criterion with one fault for each clause of the contract: the checks of that clause find it, the others pass it."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.plugins.criterion import Criterion, ModelScore
from prunebench.plugins.regulariser import Penalty
from prunebench.testing.criterion import checks, run_checks

OWN = torch.Generator().manual_seed(0)


def failures(record: Criterion | ModelScore) -> dict[str, str]:
    return {outcome.name: outcome.message for outcome in run_checks(record) if not outcome.ok}


def sound(weight: Tensor) -> Tensor:
    return weight.square().sum(1)


def layers(model: nn.Module) -> list[tuple[str, Any]]:
    return [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def sizes(model: nn.Module) -> dict[str, Tensor]:
    return {name: layer.weight.detach().flatten(1).norm(dim=1) for name, layer in layers(model)}


# what a score gives


def matrix(weight: Tensor) -> Tensor:
    return weight.square()


def negative(weight: Tensor) -> Tensor:
    return torch.log(-weight.square().sum(1))


def standardised(weight: Tensor) -> Tensor:
    norms = weight.norm(dim=1)
    deviation = math.nan if len(norms) == 1 else norms.var() + 1
    return norms / deviation


def all_inputs(model: Any, batches: Any, generator: Any) -> dict[str, Tensor]:
    kernels = {n: m.weight.detach().reshape(len(m.weight), m.weight.shape[1], -1) for n, m in layers(model)}
    for name, layer in layers(model):
        if isinstance(layer, nn.Conv2d):  # grouped ones see a part of the inputs only
            kernels[name] = layer.weight.detach().view(layer.out_channels, layer.in_channels, -1)
    return {name: kernel.norm(dim=(1, 2)) for name, kernel in kernels.items()}


def all_but_depthwise(model: Any, batches: Any, generator: Any) -> dict[str, Tensor]:
    whole = [m for _, m in layers(model) if isinstance(m, nn.Conv2d) and 1 < m.groups < m.in_channels]
    return sizes(model) if not whole else {}


def spread(weight: Tensor) -> Tensor:
    deviation = weight.sub(weight.mean(1, keepdim=True)).square().sum(1)
    return deviation / (weight.shape[1] - 1)


def inverse(weight: Tensor) -> Tensor:
    return 1 / weight.square().sum(1)


def sums_in_single(weight: Tensor) -> Tensor:
    return weight.square().sum(1).float()


def sums_in_double(weight: Tensor) -> Tensor:
    return weight.square() @ torch.ones(weight.shape[1], dtype=torch.float64)


def remembers(weight: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(len(weight), generator=OWN, dtype=weight.dtype)


def by_position(weight: Tensor) -> Tensor:
    return weight.square().sum(1) * torch.arange(len(weight), device=weight.device)


def any_data(weight: Tensor, grad: Tensor) -> Tensor:
    return (weight * grad).sum(1).abs()  # moves with the loss: declared so below, with a factor that does not


GROUPED, SAME = {"scores grouped", "changes nothing", "follows its units"}, "scores change when weights move"
SCORES: dict[str, tuple[Criterion | ModelScore, set[str] | None, str]] = {
    "shape": (Criterion(matrix), None, "gives scores of shape (6, 9), not (6,)"),
    "finite": (Criterion(negative), None, "gives 6 scores that are not finite"),
    "single unit": (Criterion(standardised), {"scores single-unit", "changes nothing"}, "not finite"),
    "depthwise": (ModelScore(all_inputs), GROUPED | {"scores depthwise"}, "is invalid for input of size"),
    "grouped": (ModelScore(all_but_depthwise), GROUPED, "gives no scores for layer '2'"),
    "single weights": (Criterion(spread), {"scores single weights"}, "not finite"),
    "zero weights": (Criterion(inverse), {"accepts zero weights"}, "not finite"),
    "float64": (Criterion(sums_in_single), {"keeps float64"}, "scores of torch.float32 for weights of torch.float64"),
    "float32": (Criterion(sums_in_double), {"keeps float32"}, "failed: RuntimeError: "),
    "determinism": (Criterion(remembers), {"is deterministic", "follows its units"}, "draw from `generator` only"),
    "order of units": (Criterion(by_position), {"follows its units"}, "scores depend on the order of the units"),
    "scale": (Criterion(sound, scale="loss"), {"is on the loss scale"}, "declare scale='arbitrary'"),
}


@pytest.mark.parametrize("clause", SCORES)
def test_a_fault_of_a_score_is_found_by_its_clause(clause: str) -> None:
    record, names, message = SCORES[clause]
    found = failures(record)
    assert set(found) - {"runs on cuda"} == (names or {name for name, _ in checks(record)} - {"runs on cuda"})
    assert any(message in text for text in found.values()), found


def test_the_sound_pass() -> None:
    assert failures(Criterion(sound)) == {}
    assert failures(Criterion(any_data, scale="loss")) == {}
    assert failures(Criterion(sound, Penalty(lasso, 1.0))) == {}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_score_that_stays_behind_is_found_on_a_gpu() -> None:
    def behind(weight: Tensor) -> Tensor:
        return weight.square().sum(1) * torch.ones(len(weight), dtype=weight.dtype)

    def moves(weight: Tensor) -> Tensor:
        return weight.square().sum(1).cpu()

    assert set(failures(Criterion(behind))) == {"runs on cuda"}
    assert "gives scores on cpu, not on cuda:0" in failures(Criterion(moves))["runs on cuda"]


# what a score changes


def weights(weight: Tensor) -> Tensor:
    return weight.mul_(2).square().sum(1)


def draws(weight: Tensor) -> Tensor:
    torch.rand(1)
    return weight.square().sum(1)


def statistics(model: Any, batches: Any, generator: Any) -> dict[str, Tensor]:
    for module in model.modules():
        module.training = isinstance(module, nn.BatchNorm2d)
    model(batches[0][0])
    model.eval()
    return sizes(model)


def mode(model: Any, batches: Any, generator: Any) -> dict[str, Tensor]:
    model.train()
    return sizes(model)


CHANGES: dict[str, tuple[Criterion | ModelScore, str]] = {
    "weights": (Criterion(weights), "on layer '0' changes its evidence weight in place"),
    "running statistics": (ModelScore(statistics), "changes the buffer '3.running_mean'"),
    "mode": (ModelScore(mode), "changes the mode of the network"),
    "random state": (Criterion(draws), "changes torch's global random state"),
}


@pytest.mark.parametrize("clause", CHANGES)
def test_a_change_is_found_by_its_clause(clause: str) -> None:
    record, message = CHANGES[clause]
    found = failures(record)
    assert set(found) == {"changes nothing"}
    assert message in found["changes nothing"]


# what a regulariser does


def lasso(weight: Tensor) -> Tensor:
    return (weight.square().sum((1, 2)) + 1e-12).sqrt().sum()


def root(weight: Tensor) -> Tensor:
    return weight.abs().sum((1, 2)).sqrt().sum()


def nothing(weight: Tensor) -> Tensor:
    return weight.sum() * 0


def noisy(weight: Tensor) -> Tensor:
    return (weight.square() * torch.rand_like(weight)).sum()


class Own:
    """A sound regulariser of somebody's own: squares of the weights of one layer."""

    strength, rate_factor = 1.0, 1.0

    def __init__(self) -> None:
        self.parameters: list[nn.Parameter] = []

    def attach(self, network: Any, generator: Any) -> Any:
        self.layer, self.generator = network.layer(network.table.groups[0].producers[0]), generator
        return self

    def draw(self) -> None: ...

    def penalty(self) -> Tensor:
        total: Tensor = self.layer.weight.square().sum()
        return total

    def measure(self) -> Tensor:
        return self.penalty()

    def detach(self) -> dict[str, Tensor]:
        return {}


class Folds(Own):
    def detach(self) -> dict[str, Tensor]:
        self.layer.weight.data.mul_(1.001)
        return {}


class Hooks(Own):
    def attach(self, network: Any, generator: Any) -> Any:
        super().attach(network, generator)
        self.layer.register_forward_hook(lambda *_: None)
        return self


class Shapes(Own):
    def detach(self) -> dict[str, Tensor]:
        return {"0": torch.ones(99)}


class Draws(Own):
    def draw(self) -> None:
        self.factor = torch.rand(1, generator=OWN, dtype=torch.float64)

    def penalty(self) -> Tensor:
        return super().penalty() * self.factor.sum()


ZERO, FOLDS = {"gradient at zero"}, {"leaves what it showed"}
REGULARISERS: dict[str, tuple[Any, set[str], str]] = {
    "gradient at zero": (Penalty(root, 1.0), ZERO, "'root' has a gradient that is not finite at '0.weight'"),
    "gradient": (Penalty(nothing, 1.0), {"gradient elsewhere"}, "zero everywhere"),
    "random state": (Penalty(noisy, 1.0), {"draws from its generator"}, "'noisy' changes torch's global random state"),
    "generator": (Draws(), {"draws from its generator"}, "two runs of the regulariser with one seed differ"),
    "folding": (Folds(), FOLDS, "detaching changes the chain network's output by"),
    "hooks": (Hooks(), FOLDS, "the regulariser leaves hooks behind"),
    "gates": (Shapes(), FOLDS, "detaching gives gates of shapes {'0': (99,)}"),
}


def test_somebodys_own_sound_regulariser_passes() -> None:
    assert failures(Criterion(sound, Own())) == {}


@pytest.mark.parametrize("clause", REGULARISERS)
def test_a_fault_of_a_regulariser_is_found_by_its_clause(clause: str) -> None:
    regulariser, names, message = REGULARISERS[clause]
    found = failures(Criterion(sound, regulariser))
    assert set(found) == {f"regulariser: {name}" for name in names}
    assert any(message in text for text in found.values()), found
