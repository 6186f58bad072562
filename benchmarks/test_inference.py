"""Inference latency of dense and pruned networks; the facts of each point go into `extra_info`."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from prunebench.timing.bench import Bench, TimedNetwork


# a failed cell is not timed: pytest-benchmark warns of the unused fixture, and a warning would be a second error
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used at all")
def test_inference(benchmark: BenchmarkFixture, bench: Bench, entry: TimedNetwork) -> None:
    benchmark.group = entry.task
    record = bench.record(entry)
    if record is not None and record.status == "failed":
        pytest.fail(record.reason, pytrace=False)
    if record is not None and record.weights:
        pytest.skip("single weights: no speed-up on dense kernels, nothing to time")
    call = bench.timer.dense(entry.job) if record is None else bench.timer.pruned(entry.job, record)
    benchmark.pedantic(call, rounds=bench.spec.timing_rounds, iterations=bench.iterations(call), warmup_rounds=2)
    benchmark.extra_info["prunebench"] = bench.facts(entry, call)
