"""Damaged files of a results folder: a run names each, sets it aside and computes its content again."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.records.merge import merge
from prunebench.records.record import read_record
from prunebench.records.stage import read_stage_facts
from prunebench.reports.reading import read_results
from prunebench.study.grid import make_grid, make_trajectory
from prunebench.study.progress import Progress
from prunebench.study.run import run
from prunebench.study.store import Store

Make = Callable[..., Any]
KEEP = 0.7
NOBODY = 65534


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def another(path: Path) -> None:
    path.write_text(json.dumps({"seconds": "long"}))


@pytest.fixture(scope="module")
def whole(tiny: Make, computing: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return computing(tiny(tmp_path_factory.mktemp("whole"), criteria="magnitude", keep=str(KEEP)))


@pytest.fixture
def again(whole: Any, tmp_path: Path) -> Any:
    """Spec of a copy of the finished run."""
    shutil.copytree(whole.spec.results, tmp_path / "again")
    return whole.spec.model_copy(update={"results": tmp_path / "again"})


def stage(spec: Any, label: str) -> Path:
    trajectory = make_trajectory(spec, Store(spec.results), make_grid(spec).jobs[0])
    point = trajectory.plan.point(trajectory.method, KEEP)
    return next(Store(spec.results).stage(one.key) for one in point.chain() if one.label == label)


def record_file(spec: Any) -> Path:
    (path,) = (spec.results / "records").rglob("*.json")
    return path


def named(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize("damage", [cut_off, empty, another])
def test_a_damaged_record_is_computed_again_from_its_stages(
    whole: Any, again: Any, computing: Callable[..., Any], caplog: pytest.LogCaptureFixture, damage: Any
) -> None:
    path = record_file(again)
    damage(path)
    with pytest.raises(UserError, match=r"corrupt record|record schema"):
        read_results(again.results)  # a report computes nothing, so it refuses
    if damage is another:
        return  # of another schema: it may be of another version
    found = computing(again)
    assert found.trained == []
    assert found.records["magnitude", KEEP].facts() == whole.records["magnitude", KEEP].facts()
    (told,) = named(caplog)
    assert str(path) in told and told.endswith(f"set aside as {path.name}.damaged; it is computed again")
    assert path.with_name(f"{path.name}.damaged").exists()
    assert read_record(path).facts() == whole.records["magnitude", KEEP].facts()
    assert len(read_results(again.results).records) == 1


@pytest.mark.parametrize("damage", [cut_off, empty, another])
@pytest.mark.parametrize("file", ["facts.json", "weights.safetensors", "widths.json"])
def test_a_damaged_stage_is_computed_again(
    whole: Any, again: Any, computing: Callable[..., Any], caplog: pytest.LogCaptureFixture, file: str, damage: Any
) -> None:
    if (file, damage) == ("widths.json", another):
        pytest.skip("of another schema")
    record_file(again).unlink()
    folder = stage(again, "finetune")
    digest = read_stage_facts(folder).digest
    damage(folder / file)
    found = computing(again)
    assert found.trained == [f"finetune {KEEP:g}"]
    assert found.records["magnitude", KEEP].facts() == whole.records["magnitude", KEEP].facts()
    assert read_stage_facts(folder).digest == digest
    (told,) = named(caplog)
    assert str(folder / file) in told and f"set aside as {folder.name}.damaged" in told
    before = sorted((again.results / "stages").iterdir())
    assert computing(again).trained == [] and sorted((again.results / "stages").iterdir()) == before


@pytest.mark.parametrize("label", ["dense", "sparse", "rung 1"])
def test_a_damaged_stage_in_mid_chain_leaves_the_stages_after_it(
    whole: Any, again: Any, computing: Callable[..., Any], label: str
) -> None:
    record_file(again).unlink()
    empty(stage(again, label) / "facts.json")
    found = computing(again)
    assert found.trained == [label]
    assert found.records["magnitude", KEEP].facts() == whole.records["magnitude", KEEP].facts()


def test_facts_that_are_missing_beside_weights_are_computed_again(again: Any, computing: Callable[..., Any]) -> None:
    record_file(again).unlink()
    (stage(again, "dense") / "facts.json").unlink()
    found = computing(again)
    assert (found.trained, found.records["magnitude", KEEP].status) == (["dense"], "ok")


@pytest.mark.parametrize("damage", [cut_off, empty])
@pytest.mark.parametrize("file", ["run.json", "store.json"])
def test_a_damaged_file_of_the_folder_is_written_anew(
    again: Any, computing: Callable[..., Any], caplog: pytest.LogCaptureFixture, file: str, damage: Any
) -> None:
    damage(again.results / file)
    if (file, damage) == ("store.json", cut_off):  # a folder may be another program's
        with pytest.raises(UserError, match=r"store\.json: not a file of prunebench"):
            computing(again)
        return
    assert computing(again).trained == []
    (told,) = named(caplog)
    assert str(again.results / file) in told and "it is written anew" in told
    assert (again.results / f"{file}.damaged").exists()
    assert len(read_results(again.results).asked) == 1


@pytest.mark.parametrize("damage", [cut_off, empty])
def test_damaged_true_labels_are_written_anew(again: Any, computing: Callable[..., Any], damage: Any) -> None:
    (path,) = (again.results / "data").iterdir()
    before = path.read_text()
    damage(path)
    assert computing(again).trained == []
    assert path.read_text() == before and path.with_name(f"{path.name}.damaged").exists()


def test_files_of_another_version_are_refused_and_stay(again: Any, computing: Callable[..., Any]) -> None:
    path = record_file(again)
    for changes in ({"schema_version": 99}, {"added later": 1}):
        path.write_text(text := json.dumps(json.loads(path.read_text()) | changes))
        with pytest.raises(UserError, match=r"schema 99|added later"):
            computing(again)
        assert path.read_text() == text


def test_no_damaged_file_is_overwritten_or_merged(again: Any, computing: Callable[..., Any], tmp_path: Path) -> None:
    path, folder = record_file(again), stage(again, "finetune")
    for name in (f"{path.name}.damaged", f"{path.name}.2.damaged"):
        empty(path)
        empty(folder / "facts.json")
        computing(again)
        assert path.with_name(name).exists()
    assert {one.name for one in folder.parent.glob("*.damaged")} == {
        f"{folder.name}.damaged",
        f"{folder.name}.2.damaged",
    }
    assert merge([again.results], tmp_path / "merged").complete
    assert not list((tmp_path / "merged").rglob("*.damaged"))


def test_a_dry_run_sets_nothing_aside(again: Any, command: Callable[..., Any]) -> None:
    path = record_file(again)
    empty(path)
    store = Store(again.results, make=False)
    assert store.stored(path, read_record) is None
    assert path.exists() and not list(again.results.rglob("*.damaged"))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to write everywhere."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only(whole: Any) -> Iterator[Any]:
    """Spec of a finished run in a folder that cannot be written."""
    place = Path(tempfile.mkdtemp())
    shutil.copytree(whole.spec.results, place / "results")
    folders = [place, *(one for one in place.rglob("*") if one.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield whole.spec.model_copy(update={"results": place / "results"})
    for folder in folders:
        folder.chmod(0o755)
    shutil.rmtree(place)


def test_a_finished_run_in_a_folder_that_cannot_be_written_is_read(
    whole: Any, read_only: Any, caplog: pytest.LogCaptureFixture
) -> None:
    grid = make_grid(read_only)
    with as_nobody():
        records = run(grid, Progress())
    assert [one.facts() for one in records] == [whole.records["magnitude", KEEP].facts()]
    assert named(caplog) == [f"{read_only.results} cannot be written: only its finished points can be read"]


def test_an_unfinished_point_in_a_folder_that_cannot_be_written_ends_the_run(read_only: Any) -> None:
    grid = make_grid(read_only.model_copy(update={"criteria": ("magnitude", "random")}))
    with as_nobody(), pytest.raises(UserError, match="cannot be written: Permission denied; give another folder"):
        run(grid, Progress())
