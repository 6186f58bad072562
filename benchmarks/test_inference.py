"""Inference latency of dense and pruned networks; the facts of each point travel in `extra_info`."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from prunebench.bench import Bench, Entry


def test_inference(benchmark: BenchmarkFixture, bench: Bench, entry: Entry) -> None:
    benchmark.group = entry.task
    record = bench.record(entry)
    if record is not None and record.status == "failed":
        benchmark.extra_info["prunebench"] = {"record": record.model_dump(mode="json")}
        pytest.fail(record.reason, pytrace=False)
    call = bench.timer.dense(entry.job) if record is None else bench.timer.pruned(entry.job, record)
    benchmark.pedantic(call, rounds=bench.spec.timing_rounds, iterations=bench.iterations(call), warmup_rounds=2)
    benchmark.extra_info["prunebench"] = bench.facts(entry, call)
