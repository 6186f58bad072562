import base64
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.records.fidelity import Fidelity, Ranked, ScoreRequest
from prunebench.records.files import PNG, read_data
from prunebench.records.merge import merge
from prunebench.records.packed import Packed
from prunebench.records.record import Cell, Environment, Record, StageValues
from prunebench.reports.reading import read_results
from prunebench.study.store import Store

OLD, NEW = 1_000_000_000, 2_000_000_000  # seconds
Two = tuple[Path, Path]


def record(
    seed: int = 0, key: str = "a", accuracy: float = 0.9, seconds: float = 1.0, cpu_kernels: str = "", **changes: Any
) -> Record:
    cell = Cell(dataset="mnist", model="lenet5", criterion="obd", seed=seed, metric="macs", keep=0.5, ranking="local")
    cost = {"macs": 10, "params": 10, "units": 10, "bytes": 40}
    machine = {"versions": {}, "device": "cpu", "cpu": "", "threads": 1, "commit": None, "reused": ()}
    environment = Environment(**machine, seconds={"dense": seconds}, cutting_seconds=0, peak_memory=1)
    fields = {"key": key * 24, "cell": cell, "protocol": {"epochs": 3}, "fingerprint": "f", "environment": environment}
    done = {"accuracy": StageValues(dense=0.95, cut=0.5, cut_bn=0.5, finetuned=accuracy), "dense": cost, "pruned": cost}
    done["keep"] = {"macs": 0.5, "params": 0.5, "units": 0.5}
    if cpu_kernels:
        fields["environment"] = environment.model_copy(update={"kernels": {"dense": cpu_kernels}})
    return Record.model_validate(fields | done | changes)


def failed(seed: int, reason: str = "no memory") -> Record:
    return record(seed, status="failed", reason=reason, accuracy=0.0)


def put(folder: Path, *records: Record, time: int = OLD) -> None:
    for one in records:
        Store(folder).put(one)
        os.utime(Store(folder).record_path(one), (time, time))


def put_fidelity(folder: Path, scale: str, time: int = OLD, **changes: Any) -> None:
    cell = ScoreRequest(dataset="mnist", model="lenet5", criterion="obd", seed=0)
    fields = {"key": "a" * 24, "cell": cell, "protocol": {}, "fingerprint": "f", "scale": scale, "pictures": (1, 1)}
    one = Packed.pack([1.0], "float64")
    fields["groups"] = {"conv": Ranked(units=(0,), of=1, halves=(one, one), scores=one)}
    found = Fidelity.model_validate(fields | changes)
    put_json(Store(folder).fidelity_path(found), found.model_dump(mode="json"), time)


def put_stage(
    folder: Path, key: str, weights: str | None = "w", digest: str = "", parents: tuple[str, ...] = ()
) -> None:
    def fill(stage: Path) -> None:
        (stage / "facts.json").write_text(json.dumps({"digest": digest, "parents": parents}))
        if weights is not None:
            (stage / "weights.safetensors").write_text(weights)

    Store(folder).finish_stage(key, fill)


def put_json(path: Path, data: Any, time: int = OLD) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    os.utime(path, (time, time))


def put_run(folder: Path, preset: str | None, command: str, asked: list[Any]) -> None:
    facts = {"preset": preset, "command": command, "asked": asked}
    put_json(folder / "run.json", {"schema_version": 3, **facts})


def put_timings(folder: Path, time: int, machine: str = "m", **speedups: float) -> None:
    setting = {"machine": machine, "backend": "eager", "batch": 64, "threads": 1}
    measured = {"dense_seconds": 2.0, "pruned_seconds": 1.0, "ratios": [1.5], "low": 1.0, "high": 2.0}
    entries = [{"key": key, "speedup": speedup, **setting, **measured} for key, speedup in speedups.items()]
    put_json(folder / "timing" / f"{machine}-eager.json", {"schema_version": 3, "latencies": entries}, time)


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
        put_run(folder, "gpu", f"prunebench run {seed}", [asked(0.5), asked(0.1 + seed / 4)])
    put_fidelity(b, "loss")
    return a, b


@pytest.mark.parametrize("order", [1, -1])
def test_everything_of_both_is_there_once_with_its_time(two: Two, tmp_path: Path, order: int) -> None:
    a, b = two
    before, c = [contents(folder) for folder in two], tmp_path / "new" / "c"
    text = merge(two[::order], c).text
    assert [contents(folder) for folder in two] == before
    ours, found = before[0] | before[1], contents(c)  # b is the newer one
    copied = [path for path in ours if path.startswith(("records", "choices", "fidelity", "stages/dense"))]
    copied = [path for path in copied if not path.endswith(".lock")]
    assert len(copied) == 3 + 2 + 1 + 4
    assert {path: found.get(path) for path in copied} == {path: ours[path] for path in copied}
    assert sorted(path.name for path in (c / "stages").iterdir()) == ["dense0", "dense2", "shared"]
    assert json.loads(found["store.json"][0]) == {"schema_version": 3}
    results = read_results(c)
    assert results.records[1].environment and results.records[1].environment.seconds == {"dense": 2.0}  # the newer
    assert {key: [x.speedup for x in entries] for key, entries in results.latencies.items()} == {
        "first": [1.5], "both": [3.0, 1.0, 3.0], "second": [1.5]
    }  # fmt: skip
    assert found["timing/m-eager.json"][1] == NEW * 10**9
    assert results.preset == "gpu"
    assert (results.command or "").split(" ; ") == [f"prunebench run {seed}" for seed in (0, 2)[::order]]
    assert sorted(one.keeps for one in results.asked) == [(0.1,), (0.5,), (0.6,)]
    rows = {line.split()[0]: line.split()[-6:] for line in text.splitlines()}
    shared = {a: order == 1, b: order == -1}  # a stage that both have is copied from the first
    assert rows["copied"] == ["stages", "records", "fidelity", "choices", "timing", "data"]
    assert rows[str(a)] == [str(1 + shared[a]), "1", "0", "1", "2", "0"]
    assert rows[str(b)] == [str(1 + shared[b]), "2", "1", "1", "3", "0"]
    assert rows[str(c)] == ["3", "3", "1", "2", "5", "0"]
    assert len(text.splitlines()) == 5


def test_what_is_there_is_left_and_an_output_is_added_to(two: Two, tmp_path: Path) -> None:
    a, c = two[0], tmp_path / "c"
    merge(two, c)
    before = contents(c), inodes(c)
    text = merge([*two, two[1] / ".." / "a", c], c).text
    assert (contents(c), inodes(c)) == before
    assert [line.split()[0] for line in text.splitlines()[2:]] == [*map(str, two), str(c)]
    assert text.splitlines()[2].split() == [str(a), *"000000"]
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
        put_json(folder / "store.json", {"schema_version": 1})
        return f"{folder / 'store.json'}: schema_version: schema 1, this version reads schema 3; use the version that"
    if what == "no folder":
        (folder / "store.json").unlink()
        return f"{folder}: not a results folder (no store.json)"
    if what == "record":
        next((folder / "records").rglob("*.json")).write_text("{")
        return "corrupt record"
    if what == "latency":
        put_json(folder / "timing" / "m.json", {"schema_version": 3, "latencies": [{"key": "x"}]})
        return "m.json: latencies.0.machine: Field required"
    put_json(folder / "run.json", {"schema_version": 9})
    return f"{folder / 'run.json'}: schema_version: schema 9"


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
def test_a_contradiction_is_named_with_its_field_and_the_rest_is_merged(
    two: Two, tmp_path: Path, into_one: bool
) -> None:
    a, b = two
    put(b, record(0, accuracy=0.8), record(1, accuracy=0.7), record(3))
    put_fidelity(a, "arbitrary")
    output = a if into_one else tmp_path / "c"
    text, complete = merge([b] if into_one else two, output)
    assert not complete
    lines = [line for line in text.splitlines() if line.startswith("contradiction: ")]
    for line, seed, other in zip(lines, (0, 1), (0.8, 0.7), strict=False):
        path = Store(a).record_path(record(seed)).relative_to(a)
        assert line == (f"contradiction: {path}: accuracy.finetuned is 0.9 in {a}, {other} in {b}; kept that of {a}")
    assert re.fullmatch(r'contradiction: fidelity/.*: scale is "arbitrary" in .*; kept that of .*', lines[2])
    assert len(lines) == 3
    found = {one.cell.seed: one.accuracy and one.accuracy.finetuned for one in read_results(output).records}
    assert found == {0: 0.9, 1: 0.9, 2: 0.9, 3: 0.9}


def test_other_kernels_may_move_the_last_digits_and_no_more(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    loss = {"dense": 0.1, "cut": 1.0, "cut_bn": 1.0, "finetuned": 0.2}
    near, far = loss | {"finetuned": 0.21}, loss | {"finetuned": 0.4}
    put(a, *(record(seed, loss=loss, cpu_kernels="AVX2") for seed in range(4)))
    put(b, record(0, loss=near, accuracy=0.905, cpu_kernels="AVX512"))
    put(b, record(1, loss=far, cpu_kernels="AVX512"))
    put(b, record(2, loss=near, cpu_kernels="AVX2"))  # the same kernels: no digit may move
    put(b, record(3, loss=loss, widths={"conv": (4, 2)}, cpu_kernels="AVX512"))  # whole numbers may not move
    text, complete = merge([a, b], tmp_path / "c")
    named = [re.sub(r".*: (\S+ is \S+) in .*", r"\1", line) for line in text.splitlines() if "contradiction" in line]
    assert named == ["loss.finetuned is 0.2", "loss.finetuned is 0.2", "widths.conv.0 is missing"]
    assert not complete
    assert merge([a], tmp_path / "d").complete


def test_no_trajectory_mixes_the_networks_of_two_machines(tmp_path: Path) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    for folder, digest in ((a, "1"), (b, "2")):
        put_stage(folder, "dense", digest, digest)
        put_stage(folder, f"only{digest}", digest, digest, ("dense",))
        put_stage(folder, "equal", "w", "3")
        put_stage(folder, f"free{digest}", "w", "4", ("equal",))
    put(a, record(0, network="only1"), record(1, network="free1"))
    put(b, record(2, network="only2"), record(3, network="free2"), record(4, network="dense"), record(5))
    text, complete = merge([a, b], c)
    assert not complete
    assert sorted(path.name for path in (c / "stages").iterdir()) == ["dense", "equal", "free1", "free2", "only1"]
    assert sorted(one.cell.seed for one in read_results(c).records) == [0, 1, 3, 5]
    left = [line for line in text.splitlines() if line.startswith("left out")]
    assert [Store(b).record_path(record(seed)).name in "".join(left) for seed in (2, 4)] == [True, True]
    assert len(left) == 2
    complete = merge([b], c).complete  # what is there decides
    assert not complete and (c / "stages" / "dense" / "weights.safetensors").read_text() == "1"


def test_stages_that_follow_from_themselves_count_nowhere(tmp_path: Path) -> None:
    put_stage(tmp_path / "a", "x", "w", "1", ("y",))
    put_stage(tmp_path / "a", "y", "w", "2", ("x",))
    put(tmp_path / "a", record(0, network="y"))
    assert not merge([tmp_path / "a"], tmp_path / "c").complete


def test_versions_of_the_protocol_are_told_apart(two: Two, tmp_path: Path) -> None:
    put(two[0], record(9, key="z", protocol_version=7))
    text = merge(two, tmp_path / "c").text
    assert (
        "points of several versions of the protocol, which reports keep apart: 4 of version 1, 1 of version 7" in text
    )
    assert read_results(tmp_path / "c").notes == (
        "mnist x lenet5 was run under 2 protocols, which are kept apart. "
        "Protocol 1: version of the protocol's rules = 1. Protocol 2: version of the protocol's rules = 7.",
    )


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
    text = merge([b, a], c).text
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
    text = merge([b], a).text
    weights = {path.parent.name: path.read_text() for path in (a / "stages").glob("*/weights.safetensors")}
    assert weights == {"k": "theirs", "l": "ours", "n": "w"}
    assert (a / "stages" / "p" / "facts.json").exists()
    assert text.endswith(f"\nstages with different networks (the first is kept): {a}/stages/l, {b}/stages/l")


def test_the_newest_choice_is_kept_and_differing_ones_are_named(two: Two, tmp_path: Path) -> None:
    for number, (share, strength) in enumerate([(0.3, 0.01), (0.1, 0.1)]):
        put_json(two[number] / "choices" / "t.json", {"value": share, "seconds": number}, NEW - number)
        put_json(two[number] / "choices" / "s.json", {"value": strength, "seconds": number}, OLD + number)
        put_json(two[number] / "choices" / "same.json", {"value": 0.3, "seconds": number})
    text = merge(two, tmp_path / "c").text
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


def test_the_description_of_the_data_with_most_pictures_is_kept(two: Two, tmp_path: Path) -> None:
    png = base64.b64encode(PNG).decode()
    labels = [Packed.pack(values, "uint8").model_dump() for values in ([0, 1], [1, 0])]
    data = {"schema_version": 3, "fingerprint": "f", "classes": ["a", "b"], "pictures": 2, "labels": labels[0]}
    shown = data | {"thumbnails": [{"picture": 1, "png": png}]}
    put_json(two[0] / "data" / "f.json", data)
    put_json(two[1] / "data" / "f.json", shown)
    merged = merge(two, tmp_path / "c")
    assert merged.complete and len(read_data(tmp_path / "c")["f"].thumbnails) == 1
    put_json(two[1] / "data" / "f.json", shown | {"labels": labels[1]})
    text = merge(two, tmp_path / "d").text
    assert "data of one fingerprint with different labels" in text
    assert read_data(tmp_path / "d")["f"].true.tolist() == [0, 1]
