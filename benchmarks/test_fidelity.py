"""Do the scores tell the truth? Scores of every dense network beside the true changes of the loss.

What is timed is the scoring of a dense network. The fidelity, which travels in `extra_info`, is computed once and read
from the results folder after that.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from prunebench.timing.bench import Bench


# a failed score fails before it is timed; pytest-benchmark would add a warning, which is an error here, to its one line
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used at all")
def test_fidelity(benchmark: BenchmarkFixture, bench: Bench, scored: str) -> None:
    job = bench.scores[scored]
    found = bench.fidelity[job]
    benchmark.group = f"{found.cell.task}: scoring"
    if found.status == "failed":
        pytest.fail(found.reason, pytrace=False)
    benchmark.pedantic(bench.timer.scoring(job), rounds=1, warmup_rounds=1)
    benchmark.extra_info["prunebench"] = {"fidelity": found.model_dump(mode="json")}
