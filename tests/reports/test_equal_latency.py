"""Depth and width at equal latency, on records whose comparison is worked by hand."""

from pathlib import Path
from types import ModuleType

import pytest

from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.reports.results import gather_results
from tests.conftest import load_script
from tests.reports.conftest import make_latency, make_record, write_folder


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("docs/equal_latency.py")


def point(seed: int, keep: float, accuracy: float, units: str = "filters") -> Record:
    protocol, key = {"epochs": 1, "units": units}, f"{units}-{seed}-{keep}"
    record = make_record(seed=seed, keep=keep, accuracy=accuracy, protocol=protocol, key=key)
    widths, keeps = {units: (10, int(10 * keep))}, {**(record.keep or {}), "macs": keep}
    return record.model_copy(update={"keep": keeps, "widths": widths})


def timed(record: Record, time: float, backend: str = "eager") -> Latency:
    return make_latency(record, backend).model_copy(update={"speedup": 1 / time})


def test_filters_are_interpolated_at_the_time_of_blocks(script: ModuleType) -> None:
    filters = [point(0, 0.4, 0.8), point(1, 0.4, 0.84), point(0, 0.8, 0.9), point(1, 0.8, 0.92)]
    blocks = [point(0, 0.6, 0.86, "blocks"), point(1, 0.6, 0.85, "blocks")]
    times = (0.5, 0.5, 0.9, 0.9, 0.6, 0.6)
    latencies = [timed(record, time) for record, time in zip([*filters, *blocks], times, strict=True)]
    latencies.append(timed(blocks[0], 0.1, "onnx"))  # of another setting
    latencies.append(timed(blocks[1], 0.1).model_copy(update={"core_share": 0.5}))  # on a busy machine
    (row,) = script.compare(gather_results("r", [*filters, *blocks], latencies))
    # a quarter of the way from .5 to .9: .825 and .86; differences +3.5 and -1.0 points, t(1) = 12.7062
    assert row[1:] == ("magnitude", "0.6", "0.600", "85.50", "84.25", "50.0 %", "+1.25 [-27.34, +29.84]", "2")


def test_keeps_are_told_apart_where_a_seed_lacks_one(script: ModuleType) -> None:
    filters = [point(seed, keep, keep) for seed in (0, 1) for keep in (0.2, 0.9)]
    blocks = [point(0, 0.7, 0.7, "blocks"), point(0, 0.5, 0.5, "blocks"), point(1, 0.5, 0.5, "blocks")]
    latencies = [timed(one, one.cell.keep) for one in (*filters, *blocks)]
    rows = script.compare(gather_results("r", [*filters, *blocks], latencies))
    assert [(row[2], row[-1]) for row in rows] == [("0.7", "1"), ("0.5", "2")]


def test_timings_of_several_folders_are_pooled(script: ModuleType, tmp_path: Path) -> None:
    two = [point(0, 0.8, 0.9), point(0, 0.6, 0.8, "blocks")]
    for name, time in (("a", 0.5), ("b", 0.7), ("c", 0.6)):
        write_folder(tmp_path / name, two, [timed(one, time) for one in two])
    (row,) = script.compare(script.read([tmp_path / name for name in "abc"]))
    assert row[3] == "0.600"


def test_outside_the_times_of_filters_nothing_is_compared(script: ModuleType) -> None:
    two = [point(0, 0.8, 0.9), point(0, 0.6, 0.8, "blocks")]
    assert len(script.compare(gather_results("r", two, [timed(one, 0.5) for one in two]))) == 1  # exactly as fast
    slower = [timed(two[0], 0.5), timed(two[1], 0.6)]
    assert script.compare(gather_results("r", two, slower)) == []
