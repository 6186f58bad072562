from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.errors import CellError
from prunebench.plugins.dataset import Source
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import load_registry
from prunebench.pruning.network import Network
from prunebench.records.protocol import Protocol
from prunebench.records.selection import SelectionFacts
from prunebench.study.cut import Cutter, choice_change
from prunebench.study.stages import Stage
from prunebench.study.task import Task, make_task

CPU = torch.device("cpu")
HALF = Stage("point", "finetune", "k", 0, 0.5)


@pytest.fixture(scope="module")
def task() -> Task:
    return make_task("digits", "lenet5", Protocol(calibration=64), Source(Path("/nowhere")))


def cutter(task: Task, seed: int = 0) -> Cutter:
    return Cutter(task.protocol, task.structure("macs"), "macs", seed)


def cut_by(task: Task, name: str, stage: Stage = HALF, seed: int = 0) -> tuple[Network, tuple[str, ...]]:
    method = parse_method(name, load_registry(()))
    cut = cutter(task, seed).by_scores(task.fresh(0, CPU), method, task.data(0, CPU), stage)
    return cut.network, cut.floors


def facts_of(task: Task, name: str, stage: Stage = HALF) -> SelectionFacts | None:
    method = parse_method(name, load_registry(()))
    return cutter(task).by_scores(task.fresh(0, CPU), method, task.data(0, CPU), stage).facts


def test_controls_have_no_facts_of_their_choice(task: Task) -> None:
    assert facts_of(task, "random") is facts_of(task, "dense_continued") is facts_of(task, "hsqgl12+random") is None


def test_a_constant_score_is_named_and_its_units_go_by_lot(task: Task) -> None:
    facts = facts_of(task, "slimming")  # LeNet-5 has no BatchNorm
    assert facts is not None and facts.by_lot == facts.removed > 0
    assert set(facts.constant) == {group.name for group in task.table.groups}
    assert facts.groups == len(task.table.groups)
    kept = [[units.tolist() for units in cut_by(task, "slimming", seed=seed)[0].kept.values()] for seed in (0, 0, 1)]
    assert kept[0] == kept[1] != kept[2]


@pytest.mark.parametrize("name", ["obd", "kron_obd", "thinet", "obd:curvature=hutchinson"])
def test_scores_that_draw_have_an_error(task: Task, name: str) -> None:
    facts = facts_of(task, name)
    assert facts is not None and facts.error is not None and facts.error > 0
    assert facts_of(task, name, replace(HALF, trial=True)) == facts.model_copy(
        update={"error": None, "within_error": None, "otherwise": None}
    )


@pytest.mark.parametrize("name", ["obd:curvature=exact", "kron_obd:labels=true", "magnitude"])
def test_scores_that_draw_nothing_have_no_error(task: Task, name: str) -> None:
    facts = facts_of(task, name)
    assert facts is not None and facts.error is None and facts.removed > 0


def test_the_second_scoring_neither_chooses_nor_costs(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls, score = [0.0], list[float](), type(task.structure("macs")).score

    def slow(*args: Any) -> Any:
        clock[0] += 100
        calls.append(clock[0])
        return score(*args)

    method, structure = parse_method("kron_obd", load_registry(())), type(task.structure("macs"))
    monkeypatch.setattr(structure, "score", slow)
    monkeypatch.setattr("prunebench.study.cut.time.perf_counter", lambda: clock[0])
    twice, once = (
        cutter(task).by_scores(task.fresh(0, CPU), method, task.data(0, CPU), replace(HALF, trial=trial))
        for trial in (False, True)
    )
    assert len(calls) == 3 and twice.seconds == once.seconds == 100
    assert all(torch.equal(twice.network.kept[group], kept) for group, kept in once.network.kept.items())


def test_a_second_scoring_that_fails_leaves_the_choice(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, score = list[int](), type(task.structure("macs")).score

    def fails_later(*args: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise CellError("no luck")
        return score(*args)

    monkeypatch.setattr(type(task.structure("macs")), "score", fails_later)
    facts = facts_of(task, "kron_obd")
    assert len(calls) == 2 and facts is not None and facts.error is None


def macs(task: Task, network: Network) -> float:
    return task.costs.cost(network.units).macs / task.costs.dense.macs


def test_magnitude_takes_the_units_of_the_smallest_norm(task: Task) -> None:
    network, floors = cut_by(task, "magnitude")
    assert 0.45 < macs(task, network) <= 0.5
    assert floors == ()
    weight = task.fresh(0, CPU).layer("conv1").weight
    assert isinstance(weight, torch.Tensor)
    norms = weight.detach().flatten(1).norm(dim=1)
    kept = next(group.name for group in task.table.groups if group.producers == ("conv1",))
    expected = norms.topk(len(network.kept[kept])).indices.sort().values
    assert torch.equal(network.kept[kept], expected)


def test_dense_continued_is_not_cut(task: Task) -> None:
    network, floors = cut_by(task, "dense_continued")
    assert (macs(task, network), floors) == (1.0, ())


def test_draws_depend_on_seed_and_stage(task: Task) -> None:
    def kept(stage: Stage = HALF, seed: int = 0) -> list[list[int]]:
        return [units.tolist() for units in cut_by(task, "random", stage, seed)[0].kept.values()]

    assert kept() == kept()
    assert kept() != kept(seed=1)
    assert kept() != kept(replace(HALF, label="rung 1"))


def test_a_budget_below_the_floors_names_the_least(task: Task) -> None:
    with pytest.raises(CellError, match=r"keep macs=0.001 cannot be reached: floors leave at least 0\.0\d+"):
        cut_by(task, "magnitude", replace(HALF, keep=0.001))
    with pytest.raises(CellError, match=r"rung 20 of the ladder: keep macs=0\.01 cannot be reached"):
        cut_by(task, "magnitude", replace(HALF, keep=0.01, kind="rung", label="rung 20"))


def test_groups_at_their_floor_are_named(task: Task) -> None:
    least = task.costs.cost({group.name: group.units // 10 for group in task.table.groups}).macs
    _, floors = cut_by(task, "magnitude", replace(HALF, keep=least / task.costs.dense.macs))
    assert sorted(floors) == sorted(group.name for group in task.table.groups)


def test_coupled_groups_can_be_left_alone() -> None:
    protocol = Protocol(coupled=False, calibration=64)
    task = make_task("digits", "resnet20", protocol, Source(Path("/nowhere")))
    network, _ = cut_by(task, "magnitude", replace(HALF, keep=0.7))
    for group in task.table.groups:
        assert (network.units[group.name] < group.units) == (len(group.producers) == 1)


def test_the_published_ranking_is_the_criterions_own() -> None:
    task = make_task("digits", "lenet5", Protocol(ranking="published", calibration=64), Source(Path("/nowhere")))
    ours = make_task("digits", "lenet5", Protocol(calibration=64), Source(Path("/nowhere")))
    assert cut_by(task, "magnitude")[0].units == cut_by(ours, "magnitude")[0].units  # Li et al.: per layer
    name = next(n for n, e in load_registry(()).criteria.items() if e.plugin.published.name == "global" and n != "l0")
    assert cut_by(task, name)[0].units != cut_by(ours, name)[0].units


def test_widths_are_copied_and_units_are_not(task: Task) -> None:
    model, dense = cut_by(task, "magnitude")[0], task.fresh(0, CPU)
    one, same, other = (cutter(task, seed).to_widths_of(model, dense, HALF) for seed in (0, 0, 1))
    assert one.units == model.units == other.units
    kept = [[units.tolist() for units in network.kept.values()] for network in (one, same, other, model)]
    assert kept[0] == kept[1]
    assert kept[0] != kept[2]
    assert kept[0] != kept[3]
    assert dense.units == {group.name: group.units for group in task.table.groups}


def test_the_choice_of_two_networks_is_compared_unit_by_unit() -> None:
    ours = {"a": torch.tensor([0, 1, 2]), "b": torch.tensor([5])}
    plain = {"a": torch.tensor([2, 3]), "c": torch.tensor([1])}
    found = choice_change(ours, plain, {"a": 4, "b": 8, "c": 2})
    assert found is not None
    assert (found.overlap, found.by_chance) == (1 / 4, 3 * 2 / 4 / 4)
    same = choice_change(ours, ours, {"a": 4, "b": 8})
    assert same is not None
    assert (same.overlap, same.agreement, same.unchanged) == (1, 1, True)
    assert choice_change({}, plain, {"a": 4}) is None
