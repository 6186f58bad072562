from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.records.budget import parse_budget
from prunebench.study.grid import Job
from prunebench.timing.bench import Bench, TimedNetwork
from prunebench.timing.cores import CoreShare
from prunebench.timing.energy import NoMeterError

Make = Callable[..., Any]


@pytest.fixture
def bench(computed: Any) -> Bench:
    changes: dict[str, Any] = {
        "criteria": ("magnitude", "random"),
        "keep": parse_budget("macs=0.5,0.3"),
        "timing_batch": 2,
        "timing_rounds": 4,
    }
    return Bench(computed.spec.model_copy(update=changes))


def test_entries_are_the_dense_networks_and_then_the_points(bench: Bench) -> None:
    assert [str(entry) for entry in bench.entries.values()] == [
        "digits-lenet5-dense",
        "digits-lenet5-magnitude-macs=0.5-seed0",
        "digits-lenet5-magnitude-macs=0.3-seed0",
        "digits-lenet5-random-macs=0.5-seed0",
        "digits-lenet5-random-macs=0.3-seed0",
    ]
    assert [entry.record_wanted for entry in bench.entries.values()] == [False] + [True] * 4
    assert {entry.task for entry in bench.entries.values()} == {"digits x lenet5"}


def test_only_what_was_selected_is_trained(tiny: Make, tmp_path: Path) -> None:
    spec = tiny(tmp_path, criteria="magnitude random", keep="0.9,0.7", finetune_epochs=0, epochs=1, sparse_epochs=0)
    bench = Bench(spec)
    wanted = TimedNetwork(Job("digits", "lenet5", "random", 0), "macs", 0.9)
    bench.train([wanted])
    assert list(bench.records) == [wanted]
    assert len(list((tmp_path / "records").rglob("*.json"))) == 1


def test_facts_of_a_point_and_of_a_dense_network(bench: Bench, computed: Any) -> None:
    dense, point, *_ = bench.entries.values()
    bench.train([entry for entry in bench.entries.values() if entry.keep == 0.5 and "magnitude" in str(entry)])
    record = computed.records["magnitude", 0.5]
    assert bench.record(dense) is None
    assert bench.record(point) == record
    assert bench.facts(dense, lambda: 0) == {"dense": record.dense.model_dump()}
    facts = bench.facts(point, bench.timer.pruned(point.job, record))
    assert facts["record"] == record.model_dump(mode="json")
    assert facts["latency"]["key"] == record.key
    summary = bench.summary()
    assert summary["untimed"] == [] and [one["fingerprint"] for one in summary["data"]] == [record.fingerprint]


def test_a_busy_machine_is_shown_before_the_tests_and_a_network_that_fails_is_left_to_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(CoreShare, "__call__", lambda self: 0.5)

    def find_meter(device: object) -> None:
        raise NoMeterError("no counter")

    monkeypatch.setattr("prunebench.timing.timer.find_meter", find_meter)
    dense, *_ = bench.entries.values()
    bench.look_at_machine(dense)
    bench.look_at_machine(dense)
    energy = "energy per picture is not measured: no counter"
    said = "the machine is too busy to time on: the timing thread had 50 % of its core; stop other work"
    assert capsys.readouterr().err.splitlines() == [energy, said]

    def broken(job: Job) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(bench.timer, "dense", broken)
    bench.look_at_machine(dense)
    assert not capsys.readouterr().err


def test_the_summary_names_the_failed_cells(bench: Bench, computed: Any) -> None:
    point = list(bench.entries.values())[1]
    bench.records[point] = computed.records["magnitude", 0.5].model_copy(update={"status": "failed", "reason": "r"})
    summary = bench.summary()
    assert summary["schema_version"] == 3
    assert [(r["status"], r["reason"]) for r in summary["untimed"]] == [("failed", "r")]


def test_jobs_carry_the_models_own_label(tiny: Make, tmp_path: Path) -> None:
    bench = Bench(tiny(tmp_path, models="vgg11:width=.125", criteria="magnitude"))
    assert {entry.job.model for entry in bench.entries.values()} == {"vgg11:width=0.125"}
