"""Records: they survive JSON exactly, refuse what they do not know, and say in one line what is wrong."""

import json
import pickle
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from prunebench.errors import UserError
from prunebench.records.record import (
    SCHEMA,
    Cell,
    Environment,
    Epoch,
    Packed,
    PerPicture,
    Record,
    StageValues,
    parse_json,
    parse_record,
    read_record,
)


def make_record(**changes: Any) -> Record:
    cell = Cell(dataset="digits", model="lenet5", criterion="obd", seed=3, metric="macs", keep=0.5, ranking="local")
    fields: dict[str, Any] = {
        "key": "k",
        "cell": cell,
        "protocol": {"epochs": 2},
        "fingerprint": "f",
        "accuracy": StageValues(dense=0.9, cut=0.1 + 0.2, cut_bn=1e-17, finetuned=0.8),
        "widths": {"conv1": (20, 10)},
        "per_image": PerPicture(
            predicted=Packed.pack([1, 2], "uint8"),
            loss=Packed.pack([0.1, 0.2], "float32"),
            correct=Packed.pack([1, 0], "uint8"),
        ),
    }
    return Record(**{**fields, **changes})


def make_environment(seconds: float) -> Environment:
    return Environment(
        versions={"torch": "2"},
        device="cpu",
        cpu="",
        threads=1,
        commit=None,
        seconds={"dense": seconds},
        cutting_seconds=seconds,
        reused=(),
        peak_memory=1,
    )


def test_importing_does_not_import_torch() -> None:
    code = "import sys, prunebench.records.record, prunebench.records.latency; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32", "float64"])
def test_packed_values_come_back_with_their_type(dtype: str) -> None:
    values = np.arange(200, dtype=dtype)[::-1]
    unpacked = Packed.pack(values, dtype).unpack()
    assert_array_equal(unpacked, values)
    assert unpacked.dtype == np.dtype(dtype)


def test_packed_bytes_are_little_endian_on_every_machine() -> None:
    big = np.array([1, 256], dtype=">u2")
    assert Packed.pack(big, "uint16") == Packed.pack([1, 256], "uint16")
    assert Packed.pack(big, "uint16").unpack().tobytes() == b"\x01\x00\x00\x01"


def test_packed_keeps_what_is_not_finite() -> None:
    assert_array_equal(Packed.pack([np.nan, np.inf], "float32").unpack(), [np.nan, np.inf])


def test_a_record_survives_json_exactly() -> None:
    record = make_record(environment=make_environment(0.1))
    assert parse_record(json.loads(record.model_dump_json()), "here") == record


def test_facts_leave_out_where_and_at_what_cost() -> None:
    fast, slow = (make_record(environment=make_environment(seconds)) for seconds in (1.0, 2.0))
    assert fast != slow
    assert fast.facts() == slow.facts()
    assert json.loads(json.dumps(fast.facts())) == fast.facts()
    assert make_record(key="another").facts() != fast.facts()


def changed(**changes: Any) -> dict[str, Any]:
    return {**json.loads(make_record().model_dump_json()), **changes}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(surprise=1), "corrupt record: surprise: Extra inputs are not permitted"),
        (changed(key=None), "corrupt record: key: Input should be a valid string"),
        (changed(widths={"conv1": [20, "x"]}), "corrupt record: widths.conv1.1: Input should be a valid integer"),
        (changed(schema_version=SCHEMA + 1), f"record schema {SCHEMA + 1}, this version reads schema {SCHEMA}"),
        ({}, f"record schema None, this version reads schema {SCHEMA}"),
        ([1], f"record schema None, this version reads schema {SCHEMA}"),
    ],
)
def test_what_is_not_a_record_is_one_line(data: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_record(data, "r.json")
    text = str(caught.value)
    assert text.startswith(f"r.json: {message}")
    assert "\n" not in text


@pytest.mark.parametrize("content", [b"", b'{"key": ', b"\xff\xfe\x00"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"r\.json: corrupt record: "):
        read_record(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.json: cannot be read: No such file"):
        read_record(tmp_path / "absent.json")


@pytest.mark.parametrize("text", ["{}", '{"a": 1}', '{"key": NaN', '{"schema_version": 9, "key": "k"}'])
def test_text_is_refused_in_the_words_of_parsed_json(text: str) -> None:
    with pytest.raises(UserError) as by_text:
        parse_json(text.encode(), "here")
    with pytest.raises(UserError) as by_data:
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UserError(f"here: corrupt record: {error}") from None
        parse_record(data, "here")
    assert str(by_text.value) == str(by_data.value)


def test_text_gives_what_parsed_json_gives() -> None:
    curves = [{"stage": "dense", "epoch": 1, "rate": 1, "loss": float("nan")}]
    protocol = {"a": 1, "b": 0.1 + 0.2, "c": None, "d": [1, 2.0], "e": "\u00e9\ud83d\ude00", "f": 1e-320}
    text = json.dumps(changed(curves=curves, protocol=protocol))
    by_text, by_data = parse_json(text.encode(), "here"), parse_record(json.loads(text), "here")
    assert repr(by_text) == repr(by_data)  # nan is not equal to itself
    assert [type(value) for value in by_text.protocol.values()] == [int, float, type(None), list, str, float]


def test_epochs_refuse_what_they_do_not_know_and_come_back() -> None:
    epoch = Epoch(stage="dense", epoch=1, rate=0.1, loss=2.0)
    record = make_record(curves=(epoch,))
    assert pickle.loads(pickle.dumps(record)).curves == (epoch,)
    assert json.loads(record.model_dump_json())["curves"] == [asdict(epoch)]
    with pytest.raises(UserError, match=r"corrupt record: curves\.0\.more"):
        parse_record(changed(curves=[asdict(epoch) | {"more": 1}]), "here")
    with pytest.raises(AttributeError):
        epoch.loss = 1.0  # type: ignore[misc]
