"""Records: they survive JSON exactly, refuse what they do not know, and say in one line what is wrong."""

import json
import pickle
import subprocess
import sys
import tracemalloc
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from prunebench.errors import UserError
from prunebench.records.packed import Packed, PerPicture
from prunebench.records.record import (
    SCHEMA,
    Cell,
    Cost,
    Environment,
    Epoch,
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
        "accuracy": StageValues(dense=0.9, cut=0.1 + 0.2, cut_bn=1e-17, finetuned=0.5),
        "dense": Cost(macs=20, params=20, units=20, bytes=80),
        "pruned": Cost(macs=10, params=10, units=10, bytes=40),
        "keep": {"macs": 0.5, "params": 0.5, "units": 0.5},
        "widths": {"conv1": (20, 10)},
        "per_image": PerPicture.pack([1, 2], [0.1, 0.2], [1, 0]),
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


def changed(**changes: Any) -> dict[str, Any]:
    return {**json.loads(make_record().model_dump_json()), **changes}


def test_importing_does_not_import_torch() -> None:
    code = "import sys, prunebench.records.record, prunebench.records.latency; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32", "float64"])
def test_packed_values_come_back_with_their_type(dtype: str) -> None:
    values = np.arange(200, dtype=dtype)[::-1]
    unpacked = Packed.pack(values, dtype).unpack(200)
    assert_array_equal(unpacked, values)
    assert unpacked.dtype == np.dtype(dtype)


def test_packed_bytes_are_little_endian_on_every_machine() -> None:
    big = np.array([1, 256], dtype=">u2")
    assert Packed.pack(big, "uint16") == Packed.pack([1, 256], "uint16")
    assert Packed.pack(big, "uint16").unpack(2).tobytes() == b"\x01\x00\x00\x01"


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_a_small_text_does_not_inflate_to_gigabytes(dtype: str) -> None:
    bomb = Packed.pack(np.zeros(50_000_000, "uint8"), "uint8").model_copy(update={"dtype": dtype})
    tracemalloc.start()
    with pytest.raises(ValueError, match="holds more numbers, not 10"):
        bomb.unpack(10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pictures": 10**8}, "per_image.pictures: Input should be less than or equal to 10000000"),
        ({"pictures": 3}, "per_image: predicted holds 2 numbers, not 3"),
        ({"loss": Packed.pack([0.1], "float16").model_dump()}, "per_image: loss holds 1 numbers, not 2"),
        ({"loss": Packed.pack([0.1, -1], "float16").model_dump()}, "per_image: loss holds a number that is negative"),
        ({"loss": Packed.pack([0.1, np.nan], "float16").model_dump()}, "per_image: loss holds a number that is neg"),
        ({"correct": Packed.pack([1, 2], "uint8").model_dump()}, "per_image: correct holds other numbers than 0 and 1"),
        ({"correct": Packed.pack([1, 1], "uint8").model_dump()}, "accuracy.finetuned: 0.5, but 1 of the pictures are"),
        ({"predicted": {"dtype": "object", "data": ""}}, "per_image.predicted.dtype: Input should be 'uint8'"),
        ({"predicted": {"dtype": "uint8", "data": "no"}}, "per_image: predicted holds no packed numbers"),
        ({"predicted": {"dtype": "uint8", "data": "\u00e9"}}, "per_image: predicted holds no packed numbers"),
        ({"predicted": Packed.pack([], "uint8").model_dump()}, "per_image: predicted holds 0 numbers, not 2"),
    ],
)
def test_pictures_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    data = changed()
    data["per_image"] |= changes
    with pytest.raises(UserError) as caught:
        parse_record(data, "r.json")
    assert str(caught.value).startswith(f"r.json: corrupt record: {message}")


def test_packed_keeps_what_is_not_finite() -> None:
    assert_array_equal(Packed.pack([np.nan, np.inf], "float32").unpack(2), [np.nan, np.inf])


def test_a_record_survives_json_exactly() -> None:
    record = make_record(environment=make_environment(0.1))
    assert parse_record(json.loads(record.model_dump_json()), "here") == record


def test_facts_leave_out_where_and_at_what_cost() -> None:
    fast, slow = (make_record(environment=make_environment(seconds)) for seconds in (1.0, 2.0))
    assert fast != slow
    assert fast.facts() == slow.facts()
    assert json.loads(json.dumps(fast.facts())) == fast.facts()
    assert make_record(key="another").facts() != fast.facts()


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in changed().items() if key != name}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(surprise=1), "corrupt record: surprise: Extra inputs are not permitted"),
        (changed(key=None), "corrupt record: key: Input should be a valid string"),
        (changed(widths={"conv1": [20, "x"]}), "corrupt record: widths.conv1.1: Input should be a valid integer"),
        (without("protocol_version"), "corrupt record: protocol_version: missing"),
        (changed(keep={"macs": 0.5, "units": 0.5}), "corrupt record: keep.params: missing"),
        (changed(accuracy=None), "corrupt record: accuracy: missing"),
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
    protocol = {"a": 1, "b": 0.1 + 0.2, "c": None, "d": True, "e": "\u00e9\ud83d\ude00", "f": 1e-320}
    text = json.dumps(changed(curves=curves, protocol=protocol))
    by_text, by_data = parse_json(text.encode(), "here"), parse_record(json.loads(text), "here")
    assert repr(by_text) == repr(by_data)  # nan is not equal to itself
    assert [type(value) for value in by_text.protocol.values()] == [int, float, type(None), bool, str, float]


def test_epochs_refuse_what_they_do_not_know_and_come_back() -> None:
    epoch = Epoch(stage="dense", epoch=1, rate=0.1, loss=2.0)
    record = make_record(curves=(epoch,))
    assert pickle.loads(pickle.dumps(record)).curves == (epoch,)
    assert json.loads(record.model_dump_json())["curves"] == [asdict(epoch)]
    with pytest.raises(UserError, match=r"corrupt record: curves\.0\.more"):
        parse_record(changed(curves=[asdict(epoch) | {"more": 1}]), "here")
    with pytest.raises(AttributeError):
        epoch.loss = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((10, 5, 4, 3), ""),
        ((10, 8, 8, 6), ""),
        ((10, 11, 4, 3), "pushed: 11 of 10 units"),
        ((10, 5, 11, 5), "cut: 11 of 10 units"),
        ((10, 5, 4, 5), "both: 5, but from 0 to 4 is possible with 5 pushed and 4 cut of 10"),
        ((10, 8, 8, 5), "both: 5, but from 6 to 8 is possible"),
        ((10, 5, 4, -1), "greater than or equal to 0"),
        ((0, 0, 0, 0), "greater than or equal to 1"),
    ],
)
def test_numbers_of_pushed_and_cut_units_fit_together(counts: tuple[int, ...], message: str) -> None:
    data = changed(pushed=dict(zip(("units", "pushed", "cut", "both"), counts, strict=True)))
    if not message:
        assert parse_record(data, "x").pushed is not None
        return
    with pytest.raises(UserError, match=f"^x: corrupt record: pushed.*{message}"):
        parse_record(data, "x")


def test_gates_are_counted_in_ten_bins() -> None:
    sparse = {"before": 1, "after": 0.5, "gradient_ratio": {}, "acted_on": 1, "gates": {"conv1": [0] * 9 + [20]}}
    record = parse_record(changed(sparse=sparse), "x")
    assert record.sparse is not None and record.sparse.gates["conv1"][-1] == 20
    for bins in ([0] * 9, [0] * 11, [-1] + [0] * 9, [0.5] * 10):
        with pytest.raises(UserError, match=r"^x: corrupt record: sparse.gates.conv1"):
            parse_record(changed(sparse={**sparse, "gates": {"conv1": bins}}), "x")
