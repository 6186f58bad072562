"""Fidelity end to end on digits: what is scored, stored, read again and merged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prunebench.errors import CellError
from prunebench.fidelity import compare as module
from prunebench.fidelity.compare import compare_scores, criteria_that_read_gates, score_jobs, score_part
from prunebench.plugins.registry import get_criterion, load_registry
from prunebench.records.merge import merge
from prunebench.reports.reading import read_results
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.structure import WholeUnits

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def found(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    grid = make_grid(tiny(tmp_path_factory.mktemp("fidelity"), criteria="magnitude taylor reg_obd l0 dense_continued"))
    return grid, compare_scores(grid, score_jobs(grid), Progress())


def test_scores_without_regulariser_gates_and_controls_are_compared(found: tuple[Any, Any]) -> None:
    grid, by_job = found
    assert [job.criterion for job in by_job] == ["magnitude", "taylor", "obd"]
    assert criteria_that_read_gates(grid) == ("l0",)
    truths = [{name: one.truth(name).tolist() for name in one.groups} for one in by_job.values()]
    assert truths[0] == truths[1] == truths[2]  # one oracle for all criteria of a block
    assert {name: len(group.units) for name, group in next(iter(by_job.values())).groups.items()} == {
        "conv1": 20,
        "conv2": 50,
        "fc1": 64,
    }


def test_options_of_the_score_stay() -> None:
    for name in ("obd:draws=30", "obd:curvature=hutchinson,draws=50"):
        record = get_criterion(name, load_registry(()))
        assert (score_part(record).label, score_part(record)) == (name, record)


def test_the_scores_are_those_of_the_dense_network(found: tuple[Any, Any]) -> None:
    grid, by_job = found
    job = next(job for job in by_job if job.criterion == "magnitude")
    trajectory = module.start(grid.spec, job)
    weight = trajectory.network(trajectory.plan.dense()).layer("conv1").get_parameter("weight").detach()
    np.testing.assert_allclose(by_job[job].scores("conv1"), weight.flatten(1).norm(dim=1).double(), rtol=1e-6)


def test_a_second_time_nothing_is_computed(found: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    grid, by_job = found

    def never(*_: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(module, "_compute", never)
    assert compare_scores(grid, score_jobs(grid), Progress()) == by_job


def test_a_score_that_fails_fails_alone(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = WholeUnits.score

    def failing(structure: WholeUnits, criterion: Any, *others: Any) -> dict[str, torch.Tensor]:
        if criterion.name == "taylor":
            raise CellError("criterion 'taylor' has a bad day")
        return original(structure, criterion, *others)

    monkeypatch.setattr(WholeUnits, "score", failing)
    grid = make_grid(tiny(tmp_path, criteria="taylor magnitude"))
    told = {job.criterion: one.summary() for job, one in compare_scores(grid, score_jobs(grid), Progress()).items()}
    assert told == {
        "taylor": "FAILED: criterion 'taylor' has a bad day",
        "magnitude": "134 units in 3 groups",
    }


def test_it_is_read_from_the_results_folder_and_merged(found: tuple[Any, Any], tiny: Make, tmp_path: Path) -> None:
    grid, by_job = found
    here = read_results(grid.spec.results)
    assert {one.cell.criterion for one in here.fidelity} == {"magnitude", "taylor", "obd"}
    other = make_grid(tiny(tmp_path / "other", criteria="magnitude", seeds="1"))
    compare_scores(other, score_jobs(other), Progress())
    merge([grid.spec.results, tmp_path / "other"], tmp_path / "both")
    cells = {(one.cell.criterion, one.cell.seed) for one in read_results(tmp_path / "both").fidelity}
    assert cells == {("magnitude", 0), ("taylor", 0), ("obd", 0), ("magnitude", 1)}
    assert len(by_job) == 3
