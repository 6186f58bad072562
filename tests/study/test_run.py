import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.plugins.registry import load_registry
from prunebench.records.record import Record, read_record
from prunebench.reports.reading import read_results
from prunebench.study.grid import make_grid, make_trajectory
from prunebench.study.progress import Progress
from prunebench.study.run import configure, note, requested as asked_for, run
from prunebench.study.store import Store

Make = Callable[..., Any]
ASKED = (("magnitude", "0.7,0.5"), ("taylor", "0.5"))
WANTED = (("magnitude", 0.7), ("magnitude", 0.5), ("taylor", 0.5))
PLUGIN = """
import torch
from prunebench.plugins.criterion import Criterion

def raising(weight):
    raise ZeroDivisionError("first line\\nsecond line")

def fine(weight):
    return weight.abs().sum(1)

class Broken:
    strength = 1.0
    def attach(self, network, generator):
        raise RuntimeError("cannot attach")
RAISING, FINE = Criterion(raising), Criterion(fine)
UNATTACHED = Criterion(fine, name="unattached", regulariser=Broken())
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


def edit(plugin: Path, old: str, new: str) -> None:
    """Edit a plugin as a user does between two commands."""
    assert old in plugin.read_text()
    plugin.write_text(plugin.read_text().replace(old, new))
    load_registry.cache_clear()


def test_a_finished_run_computes_nothing(computed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("called")

    for name in ("train", "evaluate", "save", "load_into"):
        monkeypatch.setattr(f"prunebench.study.trajectory.{name}", never)
    monkeypatch.setattr("prunebench.study.task.draw", never)
    again = run(make_grid(computed.spec), Progress())
    assert {(r.cell.criterion, r.cell.keep): r for r in again} == computed.records


def test_processes_give_the_same_facts_as_one(computed: Any, tiny: Make, tmp_path: Path) -> None:
    spec = tiny(tmp_path, criteria=("l1", "shuffle:magnitude", "magnitude"), keep="0.7", workers=2)
    records = run(make_grid(spec), Progress())
    assert [r.cell.criterion for r in records] == ["l1", "shuffle:magnitude", "magnitude"]
    for record in records:
        assert record.facts() == computed.records[record.cell.criterion, 0.7].facts()


def test_the_folder_says_which_preset(computed: Any) -> None:
    assert json.loads((computed.spec.results / "run.json").read_text())["preset"] is None


def test_the_folder_says_what_was_asked_for(computed: Any, tiny: Make, tmp_path: Path) -> None:
    asked = read_results(computed.spec.results).asked
    assert {cell for one in asked for cell in one.cells()} == {r.cell for r in computed.records.values()}
    store, grids = Store(tmp_path), [make_grid(tiny(tmp_path, criteria=(name,), keep=keep)) for name, keep in ASKED]
    for grid in (*grids, *grids):
        note(store, grid.spec, asked_for(grid))
    (tmp_path / "records").mkdir()
    store.put(first := next(iter(computed.records.values())))
    found = read_results(tmp_path)
    assert len(found.asked) == 2
    assert {(c.criterion, c.keep) for c in found.missing} == set(WANTED) - {(first.cell.criterion, first.cell.keep)}


def test_failed_cells_say_why_and_leave_the_others(
    tiny: Make, computing: Callable[..., Any], tmp_path: Path, plugin: Path
) -> None:
    criteria = ("raising", "unattached", "fine")
    spec = tiny(tmp_path / "results", criteria=criteria, keep="0.7,0.5", plugin=str(plugin))
    first = computing(spec)
    reasons = {name: first.records[name, 0.7].reason for name in criteria}
    assert reasons == {
        "raising": "criterion 'raising' on layer 'conv1' failed: ZeroDivisionError: first line second line (mine.py:6)",
        "unattached": "regulariser 'Broken' failed: RuntimeError: cannot attach (mine.py:14)",
        "fine": "",
    }
    assert {name: first.records[name, 0.5].status for name in criteria} == dict.fromkeys(criteria, "failed") | {
        "fine": "ok"
    }
    stored = [read_record(path) for path in (tmp_path / "results" / "records").rglob("*.json")]
    assert {(r.cell.criterion, r.cell.keep, r.status) for r in stored} == {
        (name, keep, "ok" if name == "fine" else "failed") for name in criteria for keep in (0.7, 0.5)
    }


def test_a_failed_cell_is_tried_again(
    tiny: Make, computing: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny(tmp_path, criteria="magnitude", keep="0.9")

    def out_of_memory(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    with monkeypatch.context() as patch:
        patch.setattr("prunebench.study.cut.select", out_of_memory)
        failed = computing(spec).records["magnitude", 0.9]
    assert (failed.status, failed.reason) == ("failed", "MemoryError: no more")
    again = computing(spec)
    assert again.records["magnitude", 0.9].status == "ok"
    assert again.trained == ["finetune 0.9"]


def test_failed_points_stay_where_they_are_not_to_be_tried_again(
    tiny: Make, computing: Callable[..., Any], tmp_path: Path, plugin: Path
) -> None:
    spec = tiny(tmp_path / "results", criteria=("raising", "magnitude"), keep="0.7", plugin=str(plugin))
    first = computing(spec)
    left = computing(spec.model_copy(update={"retry_failed": False}))
    assert left.records == first.records and not left.trained
    edit(plugin, "raise ZeroDivisionError", "return weight.sum(1) or")  # another key
    found = computing(spec.model_copy(update={"retry_failed": False}))
    assert found.records["raising", 0.7].key != first.records["raising", 0.7].key


def test_an_edited_plugin_recomputes_its_own_points_only(
    tiny: Make, computing: Callable[..., Any], tmp_path: Path, plugin: Path
) -> None:
    spec = tiny(tmp_path / "results", criteria=("fine", "magnitude"), keep="0.7", plugin=str(plugin))
    first = computing(spec)
    assert computing(spec).trained == []
    edit(plugin, "weight.abs().sum(1)", "-weight.abs().sum(1)")
    second = computing(spec)
    assert second.trained == ["rung 1", "finetune 0.7"]
    assert second.records["magnitude", 0.7] == first.records["magnitude", 0.7]
    one, other = first.records["fine", 0.7], second.records["fine", 0.7]
    assert one.key != other.key
    assert one.per_image != other.per_image


def test_a_reason_comes_with_a_traceback_for_those_who_debug(
    tiny: Make, tmp_path: Path, plugin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "prunebench")
    run(make_grid(tiny(tmp_path / "r", criteria="raising", keep="0.9", plugin=str(plugin))), Progress())
    assert "in raising" in caplog.text


@pytest.mark.parametrize(
    ("save", "kept"),
    [("none", set()), ("final", {"dense", "sparse", "point"}), ("all", {"dense", "sparse", "rung", "point"})],
)
def test_only_the_networks_that_were_asked_for_stay(
    tiny: Make, computing: Callable[..., Any], tmp_path: Path, save: str, kept: set[str]
) -> None:
    spec = tiny(tmp_path, criteria="magnitude", keep="0.7", save=save)
    computing(spec)
    store, kinds = Store(tmp_path), {"dense": "dense", "sparse": "sparse", "rung 1": "rung", "finetune": "point"}
    trajectory = make_trajectory(spec, store, make_grid(spec).jobs[0])
    chain = trajectory.plan.point(trajectory.method, 0.7).chain()
    assert {kinds[stage.label] for stage in chain if store.has(stage.key)} == kept
    assert computing(spec).trained == []


def test_another_name_for_a_swept_point_gets_its_record(
    tiny: Make, computing: Callable[..., Any], tmp_path: Path
) -> None:
    first = computing(tiny(tmp_path, criteria="reg_obd", keep="0.7", save="final"))
    second = computing(tiny(tmp_path, criteria="hsqgl12+obd", keep="0.7", save="final"))
    assert second.trained == []
    assert _bare(second.records["hsqgl12+obd", 0.7]) == _bare(first.records["reg_obd", 0.7])


def test_a_deeper_keep_after_a_sweep_is_the_same(
    computed: Any, tiny: Make, computing: Callable[..., Any], tmp_path: Path
) -> None:
    computing(tiny(tmp_path, criteria="magnitude", keep="0.5", save="final"))
    deeper = computing(tiny(tmp_path, criteria="magnitude", keep="0.5,0.3", save="final"))
    assert deeper.trained == [f"rung {number}" for number in (1, 2, 3, 4, 5)] + ["finetune 0.3"]
    for cell, record in deeper.records.items():
        assert record.facts() == computed.records[cell].facts()


def _bare(record: Record) -> dict[str, Any]:
    return {k: v for k, v in record.facts().items() if k not in ("key", "cell")}


def test_settings_that_make_results_repeatable(tiny: Make, tmp_path: Path) -> None:
    configure(tiny(tmp_path, threads=1))
    assert torch.get_num_threads() == 1
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
