"""Depth and width at equal latency, on records whose comparison is worked by hand."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.reports.results import gather_results
from tests.reports.conftest import make_latency, make_record

SCRIPT = Path(__file__).parents[2] / "docs/equal_latency.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("equal_latency", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def point(seed: int, keep: float, accuracy: float, units: str = "filters") -> Record:
    protocol, key = {"epochs": 1, "units": units}, f"{units}-{seed}-{keep}"
    record = make_record(seed=seed, keep=keep, accuracy=accuracy, protocol=protocol, key=key)
    return record.model_copy(update={"keep": {"macs": keep}, "widths": {units: (10, int(10 * keep))}})


def timed(record: Record, time: float, backend: str = "eager") -> Latency:
    return make_latency(record, backend).model_copy(update={"speedup": 1 / time})


def test_filters_are_interpolated_at_the_time_of_blocks(script: ModuleType) -> None:
    filters = [point(0, 0.4, 0.8), point(1, 0.4, 0.84), point(0, 0.8, 0.9), point(1, 0.8, 0.92)]
    blocks = [point(0, 0.6, 0.86, "blocks"), point(1, 0.6, 0.85, "blocks")]
    times = (0.5, 0.5, 0.9, 0.9, 0.6, 0.6)
    latencies = [timed(record, time) for record, time in zip([*filters, *blocks], times, strict=True)]
    latencies.append(timed(blocks[0], 0.1, "onnx"))  # of another setting
    (row,) = script.compare(gather_results("r", [*filters, *blocks], latencies))
    # a quarter of the way from .5 to .9: .825 and .86; differences +3.5 and -1.0 points, t(1) = 12.7062
    assert row[1:] == ("magnitude", "60.0 %", "0.600", "85.50", "84.25", "50.0 %", "+1.25 [-27.34, +29.84]", "2")


def test_outside_the_times_of_filters_nothing_is_compared(script: ModuleType) -> None:
    two = [point(0, 0.8, 0.9), point(0, 0.6, 0.8, "blocks")]
    assert len(script.compare(gather_results("r", two, [timed(one, 0.5) for one in two]))) == 1  # exactly as fast
    slower = [timed(two[0], 0.5), timed(two[1], 0.6)]
    assert script.compare(gather_results("r", two, slower)) == []
