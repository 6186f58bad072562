"""A block's truth: two disjoint halves of validation pictures, computed once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.fidelity import cuts, truth as module
from prunebench.fidelity.cuts import sample
from prunebench.fidelity.truth import held_out, read_truth
from prunebench.pruning.removal import remove
from prunebench.scoring.oracle import loss_changes
from prunebench.study.grid import make_grid
from prunebench.study.run import start
from prunebench.study.trajectory import Trajectory

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def trajectory(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    grid = make_grid(tiny(tmp_path_factory.mktemp("truth"), criteria="magnitude"))
    return start(grid.spec, grid.jobs[0])


def test_the_halves_are_those_of_the_validation_pictures(trajectory: Trajectory) -> None:
    found, network = read_truth(trajectory), trajectory.network(trajectory.plan.dense())
    held = held_out(trajectory.data.validation, trajectory.seed)
    half = len(held) // 2
    assert found.pictures == (half, len(held) - half)
    (batch,) = held.batches(len(held))
    for name, group in found.groups.items():
        without = (remove(network, {name: torch.tensor([unit])}) for unit in group.units)
        changes = loss_changes(network, without, [batch])
        halves = [torch.tensor(half, dtype=torch.float64) for half in found.groups[name].halves]
        for known, wanted in zip(halves, (changes[:, :half], changes[:, half:]), strict=True):
            torch.testing.assert_close(known, wanted.double().mean(1), rtol=1e-4, atol=1e-6)
        assert not torch.equal(*halves)


def test_held_out_pictures_are_drawn_once_each_and_no_more_than_wanted(
    trajectory: Trajectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    validation = trajectory.data.validation
    monkeypatch.setattr(module, "PICTURES", 20)
    (some,) = held_out(validation, 0).batches(100)
    (again,), (other,) = held_out(validation, 0).batches(100), held_out(validation, 1).batches(100)
    assert len(some[1]) == 20
    assert torch.equal(some[0], again[0]) and not torch.equal(some[0], other[0])
    (every,) = validation.batches(1000)
    rows = {tuple(picture.flatten().tolist()) for picture in every[0]}
    assert {tuple(picture.flatten().tolist()) for picture in some[0]} <= rows


def test_units_are_drawn_from_every_group_that_may_be_pruned(
    trajectory: Trajectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = trajectory.network(trajectory.plan.dense())
    monkeypatch.setattr(cuts, "UNITS", 8)
    chosen = sample(network, frozenset({"conv1"}), 0)
    assert {name: len(units) for name, units in chosen.items()} == {"conv2": 8, "fc1": 8}
    assert all(torch.equal(units, units.unique()) for units in chosen.values())


def test_it_is_computed_once(trajectory: Trajectory, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_truth(trajectory)

    def never(*_: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(module, "_compute", never)
    assert read_truth(trajectory) == first
    assert Path(trajectory.store.stage(module.truth_key(trajectory)) / "facts.json").is_file()


def test_a_damaged_truth_is_set_aside_and_computed_again(trajectory: Trajectory) -> None:
    found, folder = read_truth(trajectory), trajectory.store.stage(module.truth_key(trajectory))
    (folder / "facts.json").write_text('{"seconds": 1')
    again = read_truth(trajectory)
    assert again.groups == found.groups and again.pictures == found.pictures
    assert folder.with_name(f"{folder.name}.damaged").exists() and read_truth(trajectory) == again
