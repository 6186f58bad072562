"""The script behind the clock's trials of docs/explanation/reliability.md, on clocks of the test."""

import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from prunebench.timing import latency, warming
from tests.conftest import load_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("docs/check_clock.py")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Let a call of a network take 20 ms, with a little noise."""
    passed, draws = {"now": 0.0}, np.random.default_rng(0)
    for module in (latency, warming):
        monkeypatch.setattr(f"{module.__name__}.time.perf_counter", lambda: passed["now"])

    def runner(*given: Any) -> warming.Call:
        def call() -> None:
            passed["now"] += 0.02 * draws.uniform(1, 1.01)

        return call

    monkeypatch.setattr("prunebench.timing.backends.runner", runner)
    return passed


def test_a_clock_that_is_right_reaches_its_goals(
    script: ModuleType, clock: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prunebench.timing.backends import runner

    monkeypatch.setattr(script, "runner", runner)
    itself, double = script.tried("lenet5", 2, 20, 20, 0)
    assert (itself.case, double.case) == ("itself, quiet", "called twice, quiet")
    assert itself.found() == pytest.approx(1, abs=0.005) and double.found() == pytest.approx(2, abs=0.01)
    assert itself.covered() >= 0.8 and itself.good() == (itself.covered() >= 0.9) and double.good()
    text = script.table([itself, double])
    assert "covered >= 90%" in text and "median 2 within 5%" in text
    assert ("MISSED" in text) == (not itself.good())  # chance decides the order of pairs


def test_goals_that_are_missed_are_seen(script: ModuleType) -> None:
    right, wrong = script.Trial(1.0, 0.98, 1.02), script.Trial(1.05, 1.01, 1.09)
    rows = [script.Row("m", "c", 1.0, 1.0, [right] * count + [wrong] * (10 - count)) for count in (9, 8)]
    assert [row.covered() for row in rows] == [0.9, 0.8] and [row.good() for row in rows] == [True, False]
    slow = [script.Row("m", "c", 2.0, 1.0, [script.Trial(found, 1.0, 3.0)] * 3) for found in (1.91, 1.89, 2.09, 2.11)]
    assert [row.good() for row in slow] == [True, False, True, False]
    assert script.table(rows + slow).count("MISSED") == 3


def test_busy_cores_are_processes_that_end(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    original = subprocess.Popen
    monkeypatch.setattr(script.subprocess, "Popen", lambda *given: begun.append(original(*given)) or begun[-1])
    monkeypatch.setattr(script.time, "sleep", lambda seconds: None)
    with script.busy_cores(2):
        assert [one.poll() for one in begun] == [None, None]
    assert all(one.poll() is not None for one in begun)
    with script.busy_cores(0):
        assert len(begun) == 2


def test_the_exit_code_tells(script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for speedup, code in ((2.0, 0), (3.0, 1)):
        row = script.Row("m", "called twice, quiet", 2.0, 1.0, [script.Trial(speedup, 1.0, 4.0)])
        monkeypatch.setattr(script, "tried", lambda *given, row=row: [row])
        monkeypatch.setattr(sys, "argv", ["check_clock", "--models", "lenet5"])
        with pytest.raises(SystemExit) as ended:
            script.main()
        assert ended.value.code == code
        assert f"{speedup:.3f}" in capsys.readouterr().out
