import errno
import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from filelock import Timeout
from safetensors import SafetensorError
from safetensors.torch import save_file

from prunebench.errors import UserError
from prunebench.records.record import Cell, Record
from prunebench.study.store import Store, encode, guard, key_of


def record(**changes: object) -> Record:
    cell = Cell(
        dataset="folder:/a b", model="lenet5", criterion="obd", seed=0, metric="macs", keep=0.5, ranking="local"
    )
    return Record.model_validate({"key": "a" * 24, "cell": cell, "protocol": {}, "fingerprint": "f"} | changes)


def test_keys_depend_on_parent_and_facts_and_not_on_their_order() -> None:
    assert key_of("p", {"a": 1, "b": [2]}) == key_of("p", {"b": [2], "a": 1})
    keys = [key_of("p", {"a": 1}), key_of("q", {"a": 1}), key_of("p", {"a": 2}), key_of("p", {"a": "1"})]
    assert len(set(keys)) == 4
    assert len(keys[0]) == 24


def test_a_key_is_a_hash_of_json() -> None:
    parent, facts = 'pär"ent', {"b": [None, 0.1], "a": "é"}
    text = json.dumps([parent, {"a": "é", "b": [None, 0.1]}], separators=(",", ":"))
    assert key_of(parent, facts) == key_of(parent, encode(facts)) == hashlib.sha256(text.encode()).hexdigest()[:24]


def test_a_folder_of_this_schema_can_be_opened_again(tmp_path: Path) -> None:
    Store(tmp_path / "new" / "results")
    Store(tmp_path / "new" / "results")
    assert json.loads((tmp_path / "new" / "results" / "store.json").read_text()) == {"schema_version": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"schema_version": 99}',
            "results of schema 99, this version writes schema 3; give another folder with --re",
        ),
        ("{}", "results of schema None"),
        ("[1]", "not a file of prunebench"),
        ("not json", "not a file of prunebench"),
    ],
)
def test_another_schema_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(UserError, match=message):
        Store(tmp_path)
    assert (tmp_path / "store.json").read_text() == text


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/results: cannot be written: Not a directory; give another folder"):
        Store(tmp_path / "file" / "results")


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, path = Store(tmp_path), tmp_path / "run.json"
    store.write_json(path, {"old": 1})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("prunebench.study.store.json.dump", full)
        with pytest.raises(UserError, match=r"run.json: the disk is full; .* free some space and run again"):
            store.write_json(path, {"new": 2})
    assert json.loads(path.read_text()) == {"old": 1}
    assert not list(tmp_path.rglob("*.part"))


def test_a_full_disk_while_weights_are_written_leaves_no_stage(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fill(folder: Path) -> None:
        (folder / "weights.safetensors").touch()
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(UserError, match="the disk is full"):
        store.finish_stage("k", fill)
    assert not store.has("k")
    assert list((tmp_path / "stages").iterdir()) == []


def test_others_may_read_a_stage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.finish_stage("k", lambda part: save_file({"a": torch.zeros(2)}, part / "weights.safetensors"))
    modes = [path.stat().st_mode & 0o777 for path in (store.stage("k"), store.stage("k") / "weights.safetensors")]
    assert modes == [0o755, 0o644]


def test_other_errors_of_the_system_say_what(tmp_path: Path) -> None:
    def fails() -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(UserError, match="cannot be written: Permission denied; give another folder with --results"):
        guard(tmp_path, fails)


def test_other_errors_pass_through_and_leave_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(TypeError):
        store.write_json(tmp_path / "x.json", {"not JSON": object()})
    with pytest.raises(ZeroDivisionError):
        store.finish_stage("k", lambda _: print(1 // 0))
    assert not list(tmp_path.rglob("*.part"))
    assert not (tmp_path / "x.json").exists()


def test_a_stage_appears_as_a_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fill(folder: Path) -> None:
        assert not store.has("k") or (store.stage("k") / "facts.json").read_text() == "1"
        (folder / "weights.safetensors").touch()
        (folder / "facts.json").write_text(text)

    for text in ("1", "2"):
        store.finish_stage("k", fill)
        assert store.has("k")
        assert (store.stage("k") / "facts.json").read_text() == text


def test_a_dropped_stage_keeps_its_facts(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fill(folder: Path) -> None:
        for name in (
            "weights.safetensors",
            "gates.safetensors",
            "masks.safetensors",
            "pushed.safetensors",
            "facts.json",
        ):
            (folder / name).touch()

    store.finish_stage("k", fill)
    store.drop_stage("k")
    store.drop_stage("never there")
    assert not store.has("k")
    assert [path.name for path in store.stage("k").iterdir()] == ["facts.json"]


def test_records_come_back_and_failed_ones_do_not_count(tmp_path: Path) -> None:
    cost = {"macs": 10, "params": 10, "units": 10, "bytes": 40}
    found = {"accuracy": {"dense": 0.9, "cut": 0.1, "cut_bn": 0.1, "finetuned": 0.8}, "dense": cost, "pruned": cost}
    store, failed, done = (
        Store(tmp_path),
        record(status="failed", reason="r"),
        record(keep={"macs": 0.49, "params": 0.5, "units": 0.5}, **found),
    )
    assert store.get(record()) is None
    store.put(failed)
    assert store.get(record()) is None
    store.put(done)  # in the place of the failed one
    assert store.get(record()) == done
    assert store.get(record(key="b" * 24)) is None
    assert len(list((tmp_path / "records").rglob("*.json"))) == 1


def test_the_path_of_a_record_can_be_read_by_a_person(tmp_path: Path) -> None:
    path = Store(tmp_path).record_path(record())
    assert path == tmp_path / "records" / "folder__a_b-lenet5" / "obd" / "local-seed0-macs0.5-aaaaaaaa.json"


def test_a_corrupt_record_is_set_aside_and_not_overwritten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path)
    store.put(record())
    store.record_path(record()).write_text("{")
    assert store.get(record()) is None
    assert "corrupt record" in caplog.text
    store.put(record())
    (aside,) = tmp_path.rglob("*.damaged")
    assert aside.read_text() == "{"


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every flush and every new name, in order."""
    found: list[tuple[str, str]] = []
    flush, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        found.append(("flush", Path(f"/proc/self/fd/{handle}").readlink().name))
        flush(handle)

    def renamed(part: Path, path: Path) -> Path:
        found.append(("name", path.name))
        return replace(part, path)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    return found


def test_a_file_reaches_the_disk_before_its_name_and_its_folder_after(
    tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    store = Store(tmp_path / "r")
    assert events[:2] == [("flush", tmp_path.name), ("flush", "r")]  # the names of the new folders
    events.clear()
    store.write_json(tmp_path / "r" / "records" / "one.json", {})
    made, (flushed, part), named, folder = events
    assert (made, flushed, named, folder) == (("flush", "r"), "flush", ("name", "one.json"), ("flush", "records"))
    assert part.endswith(".part")


def test_a_stage_reaches_the_disk_before_its_name_and_its_folder_after(
    tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    store = Store(tmp_path)
    events.clear()

    def fill(folder: Path) -> None:
        for name in ("weights.safetensors", "facts.json"):
            (folder / name).write_text("x")

    store.finish_stage("k", fill)
    assert sorted(events[:2]) == [("flush", "facts.json"), ("flush", "weights.safetensors")]
    assert events[2:] == [("flush", "k.part"), ("name", "k"), ("flush", "stages")]


def test_what_killed_processes_left_is_deleted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.forget_leftovers()
    store.put(record())
    kept = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    (tmp_path / "stages" / "a.lock").touch()
    (tmp_path / "stages" / "b.part").mkdir()
    (tmp_path / "stages" / "b.part" / "facts.json").touch()
    (tmp_path / "tmp1.part").touch()
    (store.record_path(record()).parent / "tmp2.part").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tmp3.part").touch()
    assert store.forget_leftovers() and not store.forget_leftovers()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == kept
    assert list((tmp_path / "stages").iterdir()) == []


HOLDING = """
import sys, time
from pathlib import Path
from prunebench.study.store import Store

with Store(Path(sys.argv[1])).lock("a"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_another_process_holds_stays_until_it_is_killed(tmp_path: Path) -> None:
    store, part = Store(tmp_path), tmp_path / "stages" / "a.part"
    command = [sys.executable, "-P", "-c", HOLDING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        part.mkdir()
        assert not store.forget_leftovers()
        assert part.exists()
        with pytest.raises(Timeout), store.lock("a", wait=False):
            pass
        other.kill()
    assert (tmp_path / "stages" / "a.lock").exists()
    assert store.forget_leftovers()
    assert list((tmp_path / "stages").iterdir()) == []


def test_a_lock_is_held_by_one_at_a_time_though_its_file_goes(tmp_path: Path) -> None:
    """A lock whose file was deleted while others waited for it would let two in."""
    store, inside, most = Store(tmp_path), [0], []

    def work(_: int) -> None:
        with store.lock("a"):
            inside[0] += 1
            most.append(inside[0])
            time.sleep(0.002)
            inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))
    assert most == [1] * 40
    assert not list((tmp_path / "stages").glob("*.lock"))
