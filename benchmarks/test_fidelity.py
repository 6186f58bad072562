"""Scores of every dense network, compared with the true changes of the loss.

The scoring of the dense network is timed. Fidelity goes into `extra_info`; it is computed once and read from the
results folder later.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from prunebench.timing.bench import Bench


# a failed score is not timed: pytest-benchmark warns of the unused fixture, and a warning would be a second error
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used at all")
def test_fidelity(benchmark: BenchmarkFixture, bench: Bench, scored: str) -> None:
    job = bench.scores[scored]
    found = bench.fidelity[job]
    benchmark.group = f"{found.cell.task}: scoring"
    if found.status == "failed":
        pytest.fail(found.reason, pytrace=False)
    benchmark.pedantic(bench.timer.scoring(job), rounds=1, warmup_rounds=1)
    benchmark.extra_info["prunebench"] = {"fidelity": found.model_dump(mode="json")}
