"""The contract suite passes every registered criterion and finds each fault that it is there for."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench import toys
from prunebench.criterion import Criterion, ModelScore
from prunebench.errors import CellError
from prunebench.network import Group
from prunebench.registry import Registry
from prunebench.regulariser import Penalty
from prunebench.testing import check_criterion, checks, run_checks
from prunebench.units import analyse

REGISTERED = {name: entry.record for name, entry in Registry().criteria.items()}


@pytest.mark.parametrize(
    "check", [pytest.param(c, id=f"{name} {check}") for name, r in REGISTERED.items() for check, c in checks(r)]
)
def test_every_registered_criterion_keeps_the_contract(check: Any) -> None:
    check()


def failures(record: Criterion | ModelScore) -> dict[str, str]:
    return {outcome.name: outcome.message for outcome in run_checks(record) if not outcome.ok}


def sound(weight: Tensor) -> Tensor:
    return weight.square().sum(1)


def test_a_sound_criterion_passes() -> None:
    assert failures(Criterion(sound)) == {}
    assert all(outcome.ok for outcome in run_checks(Criterion(sound)))


def wrong_shape(weight: Tensor) -> Tensor:
    return weight.square()


def global_random(weight: Tensor) -> Tensor:
    return torch.rand(len(weight), dtype=weight.dtype)


def changes_weights(weight: Tensor) -> Tensor:
    return weight.mul_(2).square().sum(1)


def divides(weight: Tensor) -> Tensor:
    return 1 / weight.square().sum(1)


def single(weight: Tensor) -> Tensor:
    return weight.square().sum(1).float()


def by_position(weight: Tensor) -> Tensor:
    return weight.square().sum(1) * torch.arange(len(weight))


def deviation(weight: Tensor) -> Tensor:
    return weight.sum(1) / weight.sum(1).var(correction=0).sqrt()


@pytest.mark.parametrize(
    ("record", "check", "message"),
    [
        (Criterion(wrong_shape), "scores chain", "gives scores of shape (6, 9), not (6,)"),
        (Criterion(global_random), "is deterministic", "draw from `generator` only"),
        (Criterion(global_random), "changes nothing", "changes the global random state"),
        (Criterion(changes_weights), "changes nothing", "changes weights or buffers"),
        (Criterion(divides), "accepts zero weights", "not finite"),
        (Criterion(single), "keeps float64", "scores of torch.float32 for weights of torch.float64"),
        (Criterion(by_position), "follows its units", "depend on the order of the units"),
        (Criterion(sound, scale="loss"), "is on the loss scale", "declare scale='arbitrary'"),
        (Criterion(deviation), "scores single-unit", "not finite"),
    ],
)
def test_each_fault_is_found(record: Criterion, check: str, message: str) -> None:
    assert message in failures(record)[check]


def root(weight: Tensor) -> Tensor:
    return weight.abs().sum(2).sqrt().sum()


def vector(weight: Tensor) -> Tensor:
    return weight.abs().sum((1, 2))


def nothing(weight: Tensor) -> Tensor:
    return weight.sum() * 0


@pytest.mark.parametrize(
    ("function", "check", "message"),
    [
        (root, "regulariser: gradient at zero", "not finite at zero weights"),
        (nothing, "regulariser: gradient elsewhere", "zero everywhere"),
    ],
)
def test_each_fault_of_a_regulariser_is_found(function: Any, check: str, message: str) -> None:
    assert message in failures(Criterion(sound, Penalty(function, 1.0)))[check]


def test_a_regulariser_that_leaves_its_traces_is_found() -> None:
    class Careless:
        strength = 1.0
        rate_factor = 1.0

        def __init__(self) -> None:
            self.parameters: list[nn.Parameter] = []

        def attach(self, network: Any, generator: Any) -> Any:
            self.weight = network.layer(network.table.groups[0].producers[0]).weight
            return self

        def with_options(self, where: Any, given: Any, also: Any) -> Any:
            return self, {}

        def draw(self) -> None: ...

        def penalty(self) -> Tensor:
            total: Tensor = self.weight.abs().sum()
            return total

        def measure(self) -> Tensor:
            return self.penalty()

        def detach(self) -> dict[str, Tensor]:
            self.weight.data.zero_()
            return {}

    assert "detaching changes" in failures(Criterion(sound, Careless()))["regulariser: leaves what it showed"]


def test_a_regulariser_may_refuse_a_network() -> None:
    class Needy(Penalty):
        def attach(self, network: Any, generator: Any) -> Any:
            if not network.table.norm:
                raise CellError("no BatchNorm")
            return super().attach(network, generator)

    assert failures(Criterion(sound, Needy(lambda weight: weight.abs().sum(), 1.0))) == {}


def test_a_model_score_is_checked_too() -> None:
    def size(model: nn.Module, batches: Any, generator: Any) -> dict[str, Tensor]:
        return {
            n: m.weight.flatten(1).norm(dim=1) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)
        }

    def leaky(model: nn.Module, batches: Any, generator: Any) -> dict[str, Tensor]:
        for parameter in model.parameters():
            parameter.data.abs_()
        return size(model, batches, generator)

    assert failures(ModelScore(size)) == {}
    assert "changes weights or buffers" in failures(ModelScore(leaky))["changes nothing"]


def test_the_error_names_every_failed_check() -> None:
    with pytest.raises(AssertionError, match=r"criterion 'single' fails 1 checks\nkeeps float64: group '0' has scores"):
        check_criterion(Criterion(single))


@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise"])
def test_the_tables_of_the_toys_are_those_of_the_analysis(toy: str) -> None:
    network = toys.TOYS[toy]()
    table = analyse(network.model, torch.zeros(1, *toys.PICTURE, dtype=torch.float64))
    assert (dict(table.positions), dict(table.norm)) == (dict(network.table.positions), dict(network.table.norm))
    assert dict(table.tail) == dict(network.table.tail)

    def facts(group: Group) -> Any:
        return group.name, group.units, group.producers, {(s.layer, s.side): s.index.tolist() for s in group.slices}

    assert [facts(g) for g in table.groups] == [facts(g) for g in network.table.groups]
