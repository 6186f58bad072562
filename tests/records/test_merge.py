import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.records.fidelity import Fidelity, ScoreRequest
from prunebench.records.merge import merge
from prunebench.records.record import Cell, Environment, Record, StageValues
from prunebench.reports.reading import read_results
from prunebench.study.store import Store

OLD, NEW = 1_000_000_000, 2_000_000_000  # seconds
Two = tuple[Path, Path]


def record(seed: int = 0, key: str = "a", accuracy: float = 0.9, seconds: float = 1.0, **changes: Any) -> Record:
    cell = Cell(dataset="mnist", model="lenet5", criterion="obd", seed=seed, metric="macs", keep=0.5, ranking="local")
    cost = {"macs": 10, "params": 10, "units": 10, "bytes": 40}
    machine = {"versions": {}, "device": "cpu", "cpu": "", "threads": 1, "commit": None, "reused": ()}
    environment = Environment(**machine, seconds={"dense": seconds}, cutting_seconds=0, peak_memory=1)
    fields = {"key": key * 24, "cell": cell, "protocol": {"epochs": 3}, "fingerprint": "f", "environment": environment}
    done = {"accuracy": StageValues(dense=0.95, cut=0.5, cut_bn=0.5, finetuned=accuracy), "dense": cost, "pruned": cost}
    return Record.model_validate(fields | done | changes)


def failed(seed: int, reason: str = "no memory") -> Record:
    return record(seed, status="failed", reason=reason, accuracy=0.0)


def put(folder: Path, *records: Record, time: int = OLD) -> None:
    for one in records:
        Store(folder).put(one)
        os.utime(Store(folder).record_path(one), (time, time))


def put_fidelity(folder: Path, scale: str, time: int = OLD, **changes: Any) -> None:
    cell = ScoreRequest(dataset="mnist", model="lenet5", criterion="obd", seed=0)
    fields = {"key": "a" * 24, "cell": cell, "protocol": {}, "fingerprint": "f", "scale": scale}
    found = Fidelity.model_validate(fields | changes)
    put_json(Store(folder).fidelity_path(found), found.model_dump(mode="json"), time)


def put_stage(folder: Path, key: str, weights: str | None = "w") -> None:
    def fill(stage: Path) -> None:
        (stage / "facts.json").write_text("{}")
        if weights is not None:
            (stage / "weights.safetensors").write_text(weights)

    Store(folder).finish_stage(key, fill)


def put_json(path: Path, data: Any, time: int = OLD) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    os.utime(path, (time, time))


def put_run(folder: Path, preset: str | None, command: str, asked: list[Any]) -> None:
    facts = {"preset": preset, "command": command, "asked": asked}
    put_json(folder / "run.json", {"schema_version": 1, **facts})


def put_timings(folder: Path, time: int, machine: str = "m", **speedups: float) -> None:
    setting = {"machine": machine, "backend": "eager", "batch": 64, "threads": 1}
    measured = {"dense_seconds": 2.0, "pruned_seconds": 1.0, "ratios": [1.5], "low": 1.0, "high": 2.0}
    entries = [{"key": key, "speedup": speedup, **setting, **measured} for key, speedup in speedups.items()]
    put_json(folder / "timing" / f"{machine}-eager.json", {"schema_version": 1, "latencies": entries}, time)


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def inodes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in folder.rglob("*")}


def asked(keep: float) -> dict[str, Any]:
    trajectory = {"dataset": "mnist", "model": "lenet5", "criterion": "obd", "seeds": [0]}
    return {"ranking": "local", "metric": "macs", "keeps": [keep], "trajectories": [trajectory]}


@pytest.fixture
def two(tmp_path: Path) -> Two:
    """Give the folders of two machines that shared a grid by seeds, and one point that both computed."""
    a, b = tmp_path / "a", tmp_path / "b"
    put(a, record(0), record(1), time=OLD)
    put(b, record(1, seconds=2.0), record(2), time=NEW)
    put_timings(a, OLD, first=1.5, both=1.0)
    put_timings(b, NEW, both=3.0, second=1.5)
    for folder, seed in ((a, 0), (b, 2)):
        put_stage(folder, f"dense{seed}")
        put_stage(folder, "shared")
        (folder / "stages" / "open.part").mkdir()
        (folder / "stages" / f"dense{seed}.lock").touch()
        put_json(folder / "choices" / f"{seed}.json", {"value": 0.3})
        put_timings(folder, OLD, f"m{seed}", both=1.0 + seed)
        put_run(folder, "gpu", f"prunebench run {seed}", [asked(0.5), asked(seed)])
    put_fidelity(b, "loss")
    return a, b


@pytest.mark.parametrize("order", [1, -1])
def test_everything_of_both_is_there_once_with_its_time(two: Two, tmp_path: Path, order: int) -> None:
    a, b = two
    before, c = [contents(folder) for folder in two], tmp_path / "new" / "c"
    text = merge(two[::order], c)
    assert [contents(folder) for folder in two] == before
    ours, found = before[0] | before[1], contents(c)  # b is the newer one
    copied = [path for path in ours if path.startswith(("records", "choices", "fidelity", "stages/dense"))]
    copied = [path for path in copied if not path.endswith(".lock")]
    assert len(copied) == 3 + 2 + 1 + 4
    assert {path: found.get(path) for path in copied} == {path: ours[path] for path in copied}
    assert sorted(path.name for path in (c / "stages").iterdir()) == ["dense0", "dense2", "shared"]
    assert json.loads(found["store.json"][0]) == {"schema_version": 1}
    results = read_results(c)
    assert results.records[1].environment and results.records[1].environment.seconds == {"dense": 2.0}  # the newer
    assert {key: [x.speedup for x in entries] for key, entries in results.latencies.items()} == {
        "first": [1.5], "both": [3.0, 1.0, 3.0], "second": [1.5]
    }  # fmt: skip
    assert found["timing/m-eager.json"][1] == NEW * 10**9
    assert results.preset == "gpu"
    assert (results.command or "").split(" ; ") == [f"prunebench run {seed}" for seed in (0, 2)[::order]]
    assert sorted(one.keeps for one in results.asked) == [(0.0,), (0.5,), (2.0,)]
    rows = {line.split()[0]: line.split()[-5:] for line in text.splitlines()}
    shared = {a: order == 1, b: order == -1}  # a stage that both have is copied from the first
    assert rows["copied"] == ["stages", "records", "fidelity", "choices", "timing"]
    assert rows[str(a)] == [str(1 + shared[a]), "1", "0", "1", "2"]
    assert rows[str(b)] == [str(1 + shared[b]), "2", "1", "1", "3"]
    assert rows[str(c)] == ["3", "3", "1", "2", "5"]
    assert len(text.splitlines()) == 5


def test_what_is_there_is_left_and_an_output_is_added_to(two: Two, tmp_path: Path) -> None:
    a, c = two[0], tmp_path / "c"
    merge(two, c)
    before = contents(c), inodes(c)
    text = merge([*two, two[1] / ".." / "a", c], c)
    assert (contents(c), inodes(c)) == before
    assert [line.split()[0] for line in text.splitlines()[2:]] == [*map(str, two), str(c)]
    assert text.splitlines()[2].split() == [str(a), *"00000"]
    put(tmp_path / "e", record(7))
    merge([tmp_path / "e"], c)
    assert [one.cell.seed for one in read_results(c).records] == [0, 7, 1, 2]
    assert inodes(c).items() >= {path: inode for path, inode in before[1].items() if path.is_file()}.items()
    put_timings(a, NEW + 1, both=9.0)
    merge([a], c)
    latencies = read_results(c).latencies
    assert {key: one.speedup for key, (one, *_) in latencies.items()} == {"first": 1.5, "both": 9.0, "second": 1.5}
    merge(two[1:], a)  # into one of them
    assert len(read_results(a).records) == 3


@pytest.mark.parametrize("files", range(14))
def test_a_killed_merge_can_be_repeated(two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    merge(two, tmp_path / "whole")
    left, original = [files], Path.replace

    def replace(path: Path, target: Path) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return original(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            merge(two, tmp_path / "c")
    assert len(list((tmp_path / "c").rglob("*.part"))) == 1
    if list((tmp_path / "c").glob("records/**/*.json")):
        assert len(list((tmp_path / "c").glob("stages/*/facts.json"))) == 3  # all that records may name
    for part in (tmp_path / "c" / "stages").glob("*.part"):
        (part / "half.safetensors").touch()
    merge(two, tmp_path / "c")
    found, whole = contents(tmp_path / "c"), contents(tmp_path / "whole")
    del found["store.json"], whole["store.json"]  # it is written anew
    assert found == whole


def spoil(folder: Path, what: str) -> str:
    """Change a folder so that it cannot be merged; gives what the error must say."""
    if what == "schema":
        put_json(folder / "store.json", {"schema_version": 2})
        return f"{folder / 'store.json'}: schema 2, but this version merges schema 1"
    if what == "no folder":
        (folder / "store.json").unlink()
        return f"{folder}: not a results folder (no store.json)"
    if what == "record":
        next((folder / "records").rglob("*.json")).write_text("{")
        return "corrupt record"
    if what == "latency":
        put_json(folder / "timing" / "m.json", {"schema_version": 1, "latencies": [{"key": "x"}]})
        return "m.json: corrupt latency: machine"
    put_json(folder / "run.json", {"schema_version": 3})
    return f"{folder / 'run.json'}: schema 3"


@pytest.mark.parametrize("what", ["schema", "no folder", "record", "latency", "run.json"])
def test_what_cannot_be_read_is_one_line_and_nothing_is_written(two: Two, tmp_path: Path, what: str) -> None:
    message = spoil(two[1], what)
    before = contents(tmp_path)
    with pytest.raises(UserError) as error:
        merge(two, tmp_path / "c")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == before
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("into_one", [True, False])
def test_all_contradictions_are_one_line_and_nothing_is_written(two: Two, tmp_path: Path, into_one: bool) -> None:
    a, b = two
    put(b, record(0, accuracy=0.8), record(1, accuracy=0.7))
    put_fidelity(a, "arbitrary")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="nothing was merged: finished points differ: ") as error:
        merge([b] if into_one else two, a if into_one else tmp_path / "c")
    for path in [*(a / "records").rglob("*.json"), *(a / "fidelity").rglob("*.json")]:
        assert f"{path}, {b / path.relative_to(a)}" in str(error.value)
    assert str(error.value).endswith("; keep one file of each point")
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == before
    assert not (tmp_path / "c").exists()


def test_the_output_must_not_be_something_else(two: Two, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    merge(two, tmp_path / "mine")  # it is empty
    shutil.rmtree(tmp_path / "mine")
    put_json(tmp_path / "mine" / "thesis.json", {})
    for output in (tmp_path / "mine", tmp_path / "mine" / "thesis.json"):
        with pytest.raises(UserError, match=r"not a results folder \(no store.json\) and not empty"):
            merge(two, output)
    assert list((tmp_path / "mine").iterdir()) == [tmp_path / "mine" / "thesis.json"]


def test_a_finished_point_stands_before_a_failed_one_and_the_newer_of_two_failures(tmp_path: Path) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    put(a, record(0), failed(1), failed(2), time=OLD)
    put(b, failed(0), record(1), failed(2, "another"), time=NEW)
    put_fidelity(a, "loss", OLD)
    put_fidelity(b, "loss", NEW, status="failed", reason="no memory")
    merge([a, b], c)
    results = read_results(c)
    assert sorted(one.cell.seed for one in results.records) == [0, 1]
    assert [one.reason for one in results.failures] == ["another"]
    assert [one.status for one in results.fidelity] == ["ok"]
    put(a, failed(1), time=NEW + 1)
    put(a, record(2), time=OLD - 1)
    merge([a], c)
    assert sorted(one.cell.seed for one in read_results(c).records) == [0, 1, 2]


def test_points_under_several_keys_are_kept_and_counted_by_task(tmp_path: Path) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    put(a, record(0, key="a", accuracy=0.7), time=NEW)
    put(b, record(0, key="b", accuracy=0.8), record(1, key="c", protocol={"epochs": 9}), time=OLD)
    put(b, record(1, key="d"), record(2, key="e", status="failed"))  # another protocol, or none that is finished
    put(a, record(2, key="f"))
    text = merge([b, a], c)
    assert re.search(r"\npoints of mnist x lenet5 with several keys \(.*\): 1$", text)
    results = read_results(c)
    assert results.superseded == 1
    assert {one.accuracy.finetuned for one in results.records if one.cell.seed == 0 and one.accuracy} == {0.7}


def test_of_stages_the_first_with_a_network_is_kept_and_other_networks_are_named(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for key, ours, theirs in (("k", None, "theirs"), ("l", "ours", "another"), ("m", None, None), ("n", "w", "w")):
        put_stage(a, key, ours)
        put_stage(b, key, theirs)
    put_stage(b, "p", None)
    text = merge([b], a)
    weights = {path.parent.name: path.read_text() for path in (a / "stages").glob("*/weights.safetensors")}
    assert weights == {"k": "theirs", "l": "ours", "n": "w"}
    assert (a / "stages" / "p" / "facts.json").exists()
    assert text.endswith(f"\nstages with different networks (the first is kept): {a}/stages/l, {b}/stages/l")


def test_the_newest_choice_is_kept_and_differing_ones_are_named(two: Two, tmp_path: Path) -> None:
    for number, (share, strength) in enumerate([(0.3, 0.01), (0.1, 0.1)]):
        put_json(two[number] / "choices" / "t.json", {"value": share, "seconds": number}, NEW - number)
        put_json(two[number] / "choices" / "s.json", {"value": strength, "seconds": number}, OLD + number)
        put_json(two[number] / "choices" / "same.json", {"value": 0.3, "seconds": number})
    text = merge(two, tmp_path / "c")
    assert json.loads((tmp_path / "c" / "choices" / "t.json").read_text())["value"] == 0.3
    assert json.loads((tmp_path / "c" / "choices" / "s.json").read_text())["value"] == 0.1
    files = "; ".join(f"{two[0] / path}, {two[1] / path}" for path in ("choices/s.json", "choices/t.json"))
    assert text.endswith(f"\nsweeps or tunings with different choices (the newest is kept): {files}")


def test_of_other_presets_none_is_left_but_a_demonstration_stays_one(two: Two, tmp_path: Path) -> None:
    for preset, expected in ((None, None), ("standard", None), ("quick", "quick")):
        put_run(two[0], preset, "prunebench run", [])
        merge(two, tmp_path / str(preset))
        assert read_results(tmp_path / str(preset)).preset == expected


def test_a_full_disk_is_one_line(two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", full)
        with pytest.raises(UserError, match=r"merge stopped: .*No space left on device; fix the cause and run"):
            merge(two, tmp_path / "c")
    merge(two, tmp_path / "c")
    assert len(read_results(tmp_path / "c").records) == 3
