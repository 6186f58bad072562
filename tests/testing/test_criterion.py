"""The contract suite passes every registered criterion; what it finds is in test_mutants."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.criteria.kron_obd import CRITERION as KRON_OBD
from prunebench.curvature.kinds import CURVATURES
from prunebench.errors import CellError
from prunebench.plugins.criterion import Criterion, ModelScore
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import Registry, load_registry
from prunebench.plugins.regulariser import Penalty
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Group
from prunebench.scoring.score import score
from prunebench.testing import toys
from prunebench.testing.criterion import check_criterion, checks, is_stochastic, run_checks

TRUE_LABELS = KRON_OBD.with_options({"labels": "true"})
REGISTERED = {name: entry.plugin for name, entry in Registry().criteria.items()}


@pytest.mark.parametrize(
    "check", [pytest.param(c, id=f"{name} {check}") for name, r in REGISTERED.items() for check, c in checks(r)]
)
def test_every_registered_criterion_keeps_the_contract(check: Any) -> None:
    check()


DRAWS = {"c_obs", "kron_obd", "kron_obs", "lasso", "obd", "random", "reg_obd", "thinet"}
OPTIONS = [
    *((f"obd:curvature={kind}", kind in ("sampled", "hutchinson")) for kind in CURVATURES),
    ("kron_obd:labels=sampled", True),
    ("kron_obd:labels=true", False),
    ("c_obd", True),
    ("hsqgl12+obd:curvature=lecun", False),
]


@pytest.mark.parametrize("name", REGISTERED)
def test_a_score_is_stochastic_where_it_draws(name: str) -> None:
    draws = is_stochastic(REGISTERED[name])
    differ = [one for one in (1, 2) if not equal(scores_of(REGISTERED[name], 0), scores_of(REGISTERED[name], one))]
    assert draws == bool(differ) == (name in DRAWS)


@pytest.mark.parametrize(("name", "draws"), OPTIONS)
def test_options_decide_whether_a_score_draws(name: str, draws: bool) -> None:
    record = parse_method(name, load_registry(())).score
    assert record is not None and is_stochastic(record) == draws


def scores_of(record: Criterion | ModelScore, seed: int) -> dict[str, Tensor]:
    return score(record, toys.chain(), toys.batches(), torch.Generator().manual_seed(seed))


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(values, other[group]) for group, values in one.items())


@pytest.mark.parametrize("check", [pytest.param(c, id=name) for name, c in checks(TRUE_LABELS)])
def test_kron_obd_keeps_the_contract_without_draws(check: Any) -> None:
    check()


def test_draws_at_the_logits_do_not_hide_an_order_of_units() -> None:
    def curved(weight: Tensor, curvature: Tensor) -> Tensor:
        return curvature.sum(1) * torch.arange(len(weight), device=weight.device)

    assert set(failures(Criterion(curved))) == {"follows its units"}
    assert "follows its units" not in dict(checks(REGISTERED["thinet"]))


def failures(record: Criterion | ModelScore) -> dict[str, str]:
    return {outcome.name: outcome.message for outcome in run_checks(record) if not outcome.ok}


def sound(weight: Tensor) -> Tensor:
    return weight.square().sum(1)


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

    assert failures(ModelScore(size)) == {}


def single(weight: Tensor) -> Tensor:
    return weight.square().sum(1).float()


def test_the_error_names_every_failed_check() -> None:
    with pytest.raises(
        AssertionError, match=r"criterion 'single' fails 1 of \d+ checks\nkeeps float64: group '0' has scores"
    ):
        check_criterion(Criterion(single))


@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise", "dense", "pre-activation"])
def test_the_tables_of_the_toys_are_those_of_the_analysis(toy: str) -> None:
    network = toys.TOYS[toy]()
    table = analyse(network.model, torch.zeros(1, *toys.PICTURE, dtype=torch.float64))
    assert (dict(table.positions), dict(table.norm)) == (dict(network.table.positions), dict(network.table.norm))
    assert dict(table.tail) == dict(network.table.tail)
    assert dict(table.joined) == dict(network.table.joined)

    def facts(group: Group) -> Any:
        return group.name, group.units, group.producers, {(s.layer, s.side): s.index.tolist() for s in group.slices}

    assert [facts(g) for g in table.groups] == [facts(g) for g in network.table.groups]
