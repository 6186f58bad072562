import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.records.merge import merge
from prunebench.records.record import Cell, Environment, Record, Stages
from prunebench.reports.reading import read_results
from prunebench.study.store import Store

OLD, NEW = 1_000_000_000, 2_000_000_000  # seconds


def record(seed: int = 0, key: str = "a", accuracy: float = 0.9, seconds: float = 1.0, **changes: Any) -> Record:
    cell = Cell(dataset="mnist", model="lenet5", criterion="obd", seed=seed, metric="macs", keep=0.5, ranking="local")
    cost = {"macs": 10, "params": 10, "units": 10, "bytes": 40}
    environment = Environment(
        versions={},
        device="cpu",
        cpu="",
        threads=1,
        commit=None,
        seconds={"dense": seconds},
        cutting_seconds=0,
        reused=(),
        peak_memory=1,
    )
    fields = {"key": key * 24, "cell": cell, "protocol": {"epochs": 3}, "fingerprint": "f", "environment": environment}
    done = {"accuracy": Stages(dense=0.95, cut=0.5, cut_bn=0.5, finetuned=accuracy), "dense": cost, "pruned": cost}
    return Record.model_validate(fields | done | changes)


def failed(**changes: Any) -> Record:
    return record(status="failed", accuracy=0.0, **({"reason": "no memory"} | changes))


def put(store: Path, *records: Record, time: int = OLD) -> None:
    for one in records:
        Store(store).put(one)
        os.utime(Store(store).record_path(one), (time, time))


def put_stage(store: Path, key: str, weights: str | None = "w", time: int = OLD) -> None:
    def fill(folder: Path) -> None:
        (folder / "facts.json").write_text("{}")
        if weights is not None:
            (folder / "weights.safetensors").write_text(weights)
            os.utime(folder / "weights.safetensors", (time, time))

    Store(store).finish_stage(key, fill)


def put_json(path: Path, data: Any, time: int = OLD) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data))
    os.utime(path, (time, time))


def latency(key: str = "a", speedup: float = 1.5, **changes: Any) -> dict[str, Any]:
    setting = {"key": key, "machine": "m", "backend": "eager", "batch": 64, "threads": 1}
    measured = {"dense_seconds": 2.0, "pruned_seconds": 1.0, "ratios": [speedup], "speedup": speedup}
    return setting | measured | {"low": 1.0, "high": 2.0} | changes


def put_timings(store: Path, *latencies: dict[str, Any], time: int = OLD) -> None:
    put_json(store / "timing" / "m-eager.json", {"schema_version": 1, "latencies": latencies}, time)


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Give the stores of two machines that shared a grid by seeds, and one point that both computed."""
    a, b = tmp_path / "a", tmp_path / "b"
    put(a, record(0), record(1), time=OLD)
    put(b, record(1, seconds=2.0), record(2), time=NEW)
    for store, seed in ((a, 0), (b, 2)):
        put_stage(store, f"dense{seed}")
        put_stage(store, "shared")
        (store / "stages" / "open.part").mkdir()
        (store / "stages" / f"dense{seed}.lock").touch()
        put_timings(store, latency(f"{seed}"), latency("both", 1.0 + seed), time=OLD + seed)
        put_json(store / "rates" / f"{store.name}.json", {"share": 0.3})
        put_json(store / "run.json", {"schema_version": 1, "preset": "gpu", "command": f"prunebench run {seed}"})
    return a, b


def test_all_of_both_is_there_once_with_its_time(two: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = two
    before = [contents(store) for store in two]
    text = merge(two, tmp_path / "c" / "d")
    found = contents(tmp_path / "c" / "d")
    assert [contents(store) for store in two] == before
    mine, theirs = before
    copied = {path: facts for path, facts in (mine | theirs).items() if path.startswith(("records", "rates"))}
    assert {path: facts for path, facts in found.items() if path.startswith(("records", "rates"))} == copied
    assert sorted(path.name for path in (tmp_path / "c" / "d" / "stages").iterdir()) == ["dense0", "dense2", "shared"]
    assert found["stages/dense2/weights.safetensors"] == theirs["stages/dense2/weights.safetensors"]
    assert json.loads(found["store.json"][0]) == {"schema_version": 1}
    results = read_results(tmp_path / "c" / "d")
    assert [r.cell.seed for r in results.records] == [0, 1, 2]
    assert results.records[1].environment and results.records[1].environment.seconds == {"dense": 2.0}  # the newer
    assert results.preset == "gpu"
    assert results.command == f"merge of {a} (prunebench run 0), {b} (prunebench run 2)"
    assert {key: [x.speedup for x in found] for key, found in results.latencies.items()} == {
        "0": [1.5], "both": [3.0], "2": [1.5]
    }  # fmt: skip
    rows = {line.split()[0]: line.split()[-4:] for line in text.splitlines()[2:5]}
    assert rows[str(a)] == ["1", "2", "1", "1"] and rows[str(b)] == ["2", "1", "2", "1"]
    assert text.splitlines()[4].split()[1:] == ["now", "3", "3", "3", "2"]
    assert "1 copies of the same results were left out" in text


def test_the_order_of_the_stores_does_not_matter(two: tuple[Path, Path], tmp_path: Path) -> None:
    for path in [p for store in two for p in store.rglob("*.json")]:
        os.utime(path, (OLD, OLD))  # all ties
    merge(two, tmp_path / "c")
    merge(two[::-1], tmp_path / "d")
    ours, theirs = contents(tmp_path / "c"), contents(tmp_path / "d")
    assert {path for path in ours if ours[path] != theirs[path]} == {"run.json", "store.json"}  # they are written anew


def test_merging_again_does_nothing_and_a_store_can_be_added_to(two: tuple[Path, Path], tmp_path: Path) -> None:
    merge(two, tmp_path / "c")
    before = contents(tmp_path / "c")
    merge(two, tmp_path / "c")
    assert contents(tmp_path / "c") == before
    put(tmp_path / "e", record(7))
    for _ in range(2):
        merge([tmp_path / "e"], tmp_path / "c")
        assert (read_results(tmp_path / "c").command or "").endswith(f", {tmp_path / 'e'} (not recorded)")
    merge(two[1:], two[0])  # into one of them
    assert len(read_results(two[0]).records) == 3
    before = contents(two[0])
    merge([*two, two[0]], two[0])
    assert contents(two[0]) == before


@pytest.mark.parametrize("files", range(9))
def test_a_killed_merge_can_be_repeated(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    merge(two, tmp_path / "whole")
    left, original = [files], Path.replace

    def replace(path: Path, target: Path) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return original(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr("prunebench.records.merge._remove", lambda _: None)  # as if it were killed: nothing is tidied up
        with pytest.raises(KeyboardInterrupt):
            merge(two, tmp_path / "c")
    assert list((tmp_path / "c").rglob("*.part"))
    merge(two, tmp_path / "c")
    ours, whole = contents(tmp_path / "c"), contents(tmp_path / "whole")
    ignored = ("run.json", "store.json")
    assert {p: f for p, f in ours.items() if p not in ignored} == {
        path: facts for path, facts in whole.items() if path not in ignored
    }
    assert ours["run.json"][0] == whole["run.json"][0]
    assert not list((tmp_path / "c").rglob("*.part"))


def spoil(two: tuple[Path, Path], what: str) -> str:
    """Make two stores that cannot be joined; gives what the error must say."""
    a, b = two
    if what == "mixed schemas":
        put_json(b / "store.json", {"schema_version": 2})
        return f"{a} holds results of schema 1, {b} of schema 2; this version merges schema 1"
    if what == "unknown schema":
        for store in two:
            put_json(store / "store.json", {"schema_version": 7})
        return f"{a} holds results of schema 7, {b} of schema 7; this version merges schema 1"
    if what == "no store":
        (b / "store.json").unlink()
        return f"{b}: not a results folder (no store.json)"
    if what == "different facts":
        put(b, record(0, accuracy=0.8), record(1, accuracy=0.7))
        return "mnist x lenet5, local ranking, obd, seed 0, macs 0.5: "
    if what == "corrupt record":
        next((b / "records").rglob("*.json")).write_text("{")
        return "corrupt record"
    if what == "corrupt latency":
        put_timings(b, {"key": "x"})
        return "m-eager.json: corrupt latency: machine"
    put_json(b / "run.json", {"schema_version": 3})
    return f"{b / 'run.json'}: schema 3"


@pytest.mark.parametrize(
    "what",
    ["mixed schemas", "unknown schema", "no store", "different facts", "corrupt record", "corrupt latency", "run.json"],
)
def test_what_cannot_be_joined_is_one_line_and_writes_nothing(
    two: tuple[Path, Path], tmp_path: Path, what: str
) -> None:
    message = spoil(two, what)
    before = contents(tmp_path)
    with pytest.raises(UserError) as error:
        merge(two, tmp_path / "c")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    if what == "different facts":
        assert all(str(store / "records") in str(error.value) for store in two)
        assert "different results (1 more such pairs)" in str(error.value)
    assert contents(tmp_path) == before
    assert not (tmp_path / "c").exists()


def test_other_folders_and_a_lone_store_are_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    for output in (tmp_path / "mine", tmp_path / "mine" / "thesis.txt"):
        with pytest.raises(UserError, match=r"not a results folder \(no store.json\) and not empty"):
            merge(two, output)
    with pytest.raises(UserError, match="nothing to merge it with"):
        merge([two[0], two[0]], tmp_path / "c")
    (tmp_path / "empty").mkdir()
    merge(two, tmp_path / "empty")


def test_a_finished_record_stands_before_a_failed_one_and_the_newer_of_two_failures(tmp_path: Path) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    put(a, record(0), failed(seed=1), failed(seed=2), time=OLD)
    put(b, failed(seed=0), record(1), failed(seed=2, reason="another"), time=NEW)
    merge([a, b], c)
    results = read_results(c)
    assert sorted(r.cell.seed for r in results.records) == [0, 1]
    assert [r.reason for r in results.failures] == ["another"]
    put(a, failed(seed=1), time=NEW + 1)
    put(a, record(2), time=OLD - 1)
    merge([a], c)
    assert sorted(r.cell.seed for r in read_results(c).records) == [0, 1, 2]


def test_a_point_under_two_keys_is_kept_twice_and_named(tmp_path: Path) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    put(a, record(0, key="a", accuracy=0.7), time=NEW)
    put(b, record(0, key="b", accuracy=0.8), record(1, key="c", protocol={"epochs": 9}), time=OLD)
    put(b, record(1, key="d"))  # another protocol: no duplicate
    text = merge([b, a], c)
    assert "1 points are there under several keys" in text
    (line,) = [line for line in text.splitlines() if line.startswith("  mnist x lenet5, local ranking, obd, seed 0")]
    assert line.index(str(a)) < line.index(str(b))
    results = read_results(c)
    assert results.superseded == 1
    assert {r.accuracy.finetuned for r in results.records if r.cell.seed == 0 and r.accuracy} == {0.7}


def test_of_stages_the_one_with_weights_is_taken_and_different_weights_are_named(tmp_path: Path) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    for key, ours, theirs in (("k", None, "theirs"), ("l", "ours", "another"), ("m", None, None)):
        put_stage(a, key, ours)
        put_stage(b, key, theirs)
    text = merge([a], put_all(c, b))
    assert Store(c).has("k") and Store(c).has("l") and not Store(c).has("m")
    assert (c / "stages" / "m" / "facts.json").exists()
    assert (c / "stages" / "l" / "weights.safetensors").read_text() == "another"  # what is there stays
    assert "1 files of one key differ" in text and str(a / "stages" / "l" / "weights.safetensors") in text
    assert (a / "stages" / "k").exists() and not Store(a).has("k")
    merge([b], a)
    assert Store(a).has("k")


def put_all(target: Path, source: Path) -> Path:
    shutil.copytree(source, target)
    return target


def test_the_newest_rate_is_taken_and_a_demonstration_stays_one(two: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = two
    put_json(a / "rates" / "t.json", {"share": 0.3}, NEW)
    put_json(b / "rates" / "t.json", {"share": 0.1}, OLD)
    tuning = {"task": "mnist x lenet5", "criterion": "l1:strength=tuned", "validation": {"0.1": 0.9, "0.01": 0.8}}
    tuning |= {"metric": "macs", "keeps": [0.5], "seeds": [1000], "trials": 2, "seconds": 1.0}
    put_json(a / "strengths" / "s.json", tuning | {"strength": 0.01}, OLD)
    put_json(b / "strengths" / "s.json", tuning | {"strength": 0.1}, NEW)
    put_json(b / "run.json", {"schema_version": 1, "preset": None, "command": None})
    text = merge([b, a], tmp_path / "c")
    assert json.loads((tmp_path / "c" / "rates" / "t.json").read_text()) == {"share": 0.3}
    assert [one.strength for one in read_results(tmp_path / "c").tunings] == [0.1]
    assert "2 files of one key differ" in text
    assert read_results(tmp_path / "c").preset is None
    put_json(b / "run.json", {"schema_version": 1, "preset": "quick", "command": "prunebench run"})
    merge([b, a], tmp_path / "d")
    assert read_results(tmp_path / "d").demonstration


def test_what_was_asked_for_of_either_is_remembered(two: tuple[Path, Path], tmp_path: Path) -> None:
    trajectories = {"dataset": "mnist", "model": "lenet5", "criterion": "taylor"}
    asked = [
        {"ranking": "local", "metric": "macs", "keeps": [keep], "trajectories": [{**trajectories, "seeds": [keep]}]}
        for keep in (0, 1)
    ]
    for store, own in zip(two, (asked[:1], asked), strict=True):
        put_json(store / "run.json", {"schema_version": 1, "preset": None, "command": "x", "asked": own})
    merge(two, tmp_path / "c")
    merge([tmp_path / "c", *two], tmp_path / "c")
    assert [(one.keeps, one.trajectories[0].seeds) for one in read_results(tmp_path / "c").asked] == [
        ((0.0,), (0,)),
        ((1.0,), (1,)),
    ]


def test_a_full_disk_is_one_line(two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(UserError, match="the merge is not finished: the disk is full; give the same command again"):
        merge(two, tmp_path / "c")
    assert not list((tmp_path / "c").rglob("*.part"))


def test_without_torch_the_command_merges(two: tuple[Path, Path], tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from prunebench.cli.app import main; main()"
    run: Callable[..., Any] = subprocess.run
    command = [sys.executable, "-c", code, "merge", *map(str, two), "-o", str(tmp_path / "c")]
    done = run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path / 'c'} now" in done.stdout
    (two[1] / "store.json").unlink()
    done = run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"prunebench: error: {two[1]}: not a results folder (no store.json)\n"
