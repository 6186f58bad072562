"""Seconds and memory of `prunebench report` on 1,000, 3,000 and 10,000 timed records.

Seconds per record must not grow. The records are made up but as large as real ones. They cover 5 tasks x 10 methods x
5 keeps with 4, 12 and 40 seeds. Each has 20 layers, 30 epochs and 2,000 or 10,000 test pictures. Memory is read on
Linux only. Marked slow: run it with ``-m slow``.
"""

import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from prunebench.records.latency import Latency
from prunebench.records.packed import PerPicture
from prunebench.records.record import SCHEMA, Cell, Cost, Environment, Epoch, Record, StageValues

TASKS = ("a x resnet20", "b x resnet20", "c x vgg11_bn", "d x mobilenetv2", "e x lenet5")
METHODS = ("magnitude", "taylor", "taylor_activation", "obd", "fisher", "l1", "l0", "reg_obd", "random", "shuffle:obd")
KEEPS = (0.8, 0.65, 0.5, 0.35, 0.2)
SEEDS = (4, 12, 40)
Watched = Callable[..., dict[str, float]]
CURVE = tuple(Epoch(stage="dense", epoch=e, rate=0.1 / e, loss=2.3 / e, validation=0.9) for e in range(1, 31))


def make_record(task: str, method: str, seed: int, keep: float) -> Record:
    rng = np.random.default_rng([TASKS.index(task), METHODS.index(method), seed, int(100 * keep)])
    pictures, left = 10_000 if task[0] in "bd" else 2_000, int(64 * keep**0.5)
    right = rng.random(pictures) < 0.75 + 0.2 * keep + 0.01 * METHODS.index(method)
    scores = StageValues(dense=0.95, cut=0.5, cut_bn=0.6, finetuned=float(right.mean()))
    dataset, _, model = task.partition(" x ")
    seconds = {"dense": 50.0 + seed, "sparse": 9.0 + seed, "rung 1": 2.5, "finetune": round(rng.random(), 4)}
    asked = {"dataset": dataset, "model": model, "criterion": method, "seed": seed, "metric": "macs", "keep": keep}
    machine = {"device": "cpu", "cpu": "cpu", "threads": 1, "commit": None, "reused": (), "peak_memory": 3e8}
    return Record(
        key=rng.bytes(12).hex(),
        cell=Cell.model_validate(asked | {"ranking": "local"}),
        protocol={"epochs": 30, "rate": 0.1, "finetune_rate": 0.3, "rung": 0.8} | {f"o{i}": i / 7 for i in range(20)},
        fingerprint="0123456789abcdef",
        accuracy=scores,
        loss=scores,
        dense=Cost(macs=40_551_040, params=269_722, units=1_280, bytes=1_085_696),
        pruned=Cost(macs=int(40_551_040 * keep), params=int(269_722 * keep), units=20 * left, bytes=550_492),
        keep={"macs": keep, "params": keep, "units": left / 64},
        widths={f"layer{number // 6}.{number % 6}.conv1": (64, left) for number in range(20)},
        per_image=PerPicture.pack(rng.integers(0, 10, pictures), rng.exponential(0.3, pictures), right),
        curves=CURVE,
        environment=Environment.model_validate(
            machine | {"versions": {"torch": "2.6"}, "seconds": seconds, "cutting_seconds": 0.1}
        ),
    )


def make_latency(key: str) -> Latency:
    timed = {"key": key, "machine": "cpu", "backend": "eager", "batch": 64, "threads": 1, "ratios": (1.5,) * 30}
    return Latency.model_validate(
        timed | {"dense_seconds": 0.03, "pruned_seconds": 0.02, "speedup": 1.5, "low": 1.4, "high": 1.6}
    )


def write_store(folder: Path, seeds: int) -> int:
    latencies = []
    for number, cell in enumerate(product(TASKS, METHODS, range(seeds), KEEPS)):
        record, path = make_record(*cell), folder / "records" / cell[0] / cell[1] / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json())
        latencies.append(make_latency(record.key).model_dump(mode="json"))
    (folder / "timing").mkdir()
    (folder / "timing" / "cpu.json").write_text(json.dumps({"schema_version": SCHEMA, "latencies": latencies}))
    return len(latencies)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc")
def test_report_is_linear_in_the_records(benchmark: BenchmarkFixture, watched: Watched, tmp_path: Path) -> None:
    sizes = {write_store(tmp_path / str(seeds), seeds): tmp_path / str(seeds) for seeds in SEEDS}
    found: dict[int, dict[str, float]] = {}

    def report(records: int) -> None:
        start = time.perf_counter()
        facts = watched("report", str(sizes[records]), "-o", str(tmp_path / "report"))
        found[records] = {"seconds": time.perf_counter() - start, **facts}

    for records in list(sizes)[:-1]:
        report(records)
    benchmark.pedantic(report, args=list(sizes)[-1:], rounds=1)
    each = {records: found[records]["cpu_seconds"] / records for records in sizes}
    ratios = {f"{fewer} to {more}": each[more] / each[fewer] for fewer, more in pairwise(sizes)}
    benchmark.group = "report"
    benchmark.extra_info["report"] = {"sizes": found, "ratio_of_cpu_seconds_per_record": ratios}
    assert max(ratios.values()) < 1.1
