"""The oracle removes what the protocol removes, and takes its repair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.blocks.checking import masked_blocks
from prunebench.fidelity.compare import compare_scores, score_jobs
from prunebench.fidelity.cuts import BLOCKS, Cuts
from prunebench.fidelity.truth import held_out, read_truth, truth_key
from prunebench.pruning.removal import remove
from prunebench.records.fidelity import Fidelity
from prunebench.repair.repairing import repair
from prunebench.scoring.oracle import loss_changes
from prunebench.study.grid import Grid, make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import start
from prunebench.study.trajectory import Trajectory
from prunebench.training.evaluate import with_batchnorm_reestimated

Make = Callable[..., Any]


def begun(grid: Grid) -> Trajectory:
    return start(grid.spec, grid.jobs[0])


def halves(trajectory: Trajectory, group: str) -> tuple[list[float], list[float]]:
    return read_truth(trajectory).groups[group].halves


@pytest.mark.parametrize("how", ["bias", "least-squares"])
def test_the_truth_is_that_of_repaired_networks(how: Any, tiny: Make, tmp_path: Path) -> None:
    plain, repaired = (
        begun(make_grid(tiny(tmp_path, criteria="magnitude", repair=one, calibration=32))) for one in ("none", how)
    )
    dense, data = repaired.network(repaired.plan.dense()), repaired.data
    unit = read_truth(repaired).groups["conv2"].units[3]
    by_hand = remove(dense, {"conv2": torch.tensor([unit])})
    repair(how, dense, by_hand, data.calibration.batches(repaired.protocol.calibration_batch))
    change = loss_changes(dense, [by_hand], held_out(data.validation, repaired.seed).batches(1000))[0].double()
    half = len(change) // 2
    for known, part in zip(halves(repaired, "conv2"), (change[:half], change[half:]), strict=True):
        assert known[3] == pytest.approx(float(part.mean()), abs=1e-5)
    assert halves(plain, "conv2") != halves(repaired, "conv2")


def test_every_removal_and_every_repair_has_a_truth_of_its_own(tiny: Make, tmp_path: Path) -> None:
    changes = ({}, {"units": "blocks"}, {"repair": "batchnorm"}, {"units": "blocks", "repair": "batchnorm"})
    given = {"criteria": "magnitude", "models": "resnet20", "keep": "macs=0.6"}
    keys = {truth_key(begun(make_grid(tiny(tmp_path, **given, **change)))) for change in changes}
    assert len(keys) == len(changes)


@pytest.fixture(scope="module")
def of_blocks(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Grid:
    more = {"models": "resnet20", "units": "blocks", "keep": "macs=0.6", "repair": "batchnorm"}
    return make_grid(tiny(tmp_path_factory.mktemp("blocks"), criteria="magnitude oracle random", **more))


def test_the_truth_of_blocks_is_that_of_masked_blocks(of_blocks: Grid) -> None:
    trajectory = begun(of_blocks)
    dense, cuts, data = trajectory.network(trajectory.plan.dense()), Cuts(trajectory), trajectory.data
    truth = read_truth(trajectory).groups[BLOCKS]
    assert truth.units == [*range(7)]
    (held,) = held_out(data.validation, trajectory.seed).batches(1000)

    def losses(network: Any) -> torch.Tensor:
        model = with_batchnorm_reestimated(network.model, data.calibration, trajectory.protocol.calibration_batch)
        with torch.no_grad():
            return torch.nn.functional.cross_entropy(model(held[0]), held[1], reduction="none").double()

    half = len(held[1]) // 2
    for number, block in enumerate(cuts.structure.blocks):  # type: ignore[union-attr]
        change = losses(masked_blocks(dense, [block])) - losses(dense)
        wanted = (float(change[:half].mean()), float(change[half:].mean()))
        assert (truth.halves[0][number], truth.halves[1][number]) == pytest.approx(wanted, abs=1e-4)


def test_scores_of_blocks_stand_beside_the_truth(of_blocks: Grid) -> None:
    found = {job.criterion: one for job, one in compare_scores(of_blocks, score_jobs(of_blocks), Progress()).items()}
    assert [one.status for one in found.values()] == ["ok"] * 3
    assert {len(one.scores(BLOCKS)) for one in found.values()} == {7}
    assert {name: one.groups[BLOCKS].of for name, one in found.items()} == {"magnitude": 7, "oracle": 7, "random": 7}
    assert isinstance(found["oracle"], Fidelity) and found["oracle"].protocol["units"] == "blocks"
