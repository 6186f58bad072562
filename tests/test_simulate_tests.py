"""The simulation behind docs/explanation/statistics.md computes the tests of the package."""

import sys

import numpy as np
import pytest

from prunebench.reports.statistics.joint_sign_flips import joint_sign_flips
from prunebench.reports.statistics.multiplicity import holm
from prunebench.reports.statistics.permutation import sign_flip
from tests.conftest import load_script

simulation = load_script("docs/simulate_tests.py")


@pytest.mark.parametrize("family", simulation.FAMILIES)
@pytest.mark.parametrize("world", simulation.NULLS[:5] + simulation.POWERS[-1:])
def test_it_computes_the_tests_of_the_package(world: tuple[object], family: tuple[int, int]) -> None:
    d = world.differences(np.random.default_rng(0), family, 7, 3)  # type: ignore[attr-defined]
    budgets = family.budgets  # type: ignore[attr-defined]
    assert d.shape == (3, len(budgets), 7)
    found = simulation.adjusted(d, budgets)
    for number, one in enumerate(d):
        groups = budgets.tolist()
        assert found["v_m"][number].tolist() == pytest.approx(joint_sign_flips(one, groups))
        assert found["q_m"][number].tolist() == pytest.approx(joint_sign_flips(one, groups, pooled=False))
        assert found["Holm"][number].tolist() == pytest.approx(holm([sign_flip(row).p for row in one]))
        first = one[budgets == 0]
        by_keep = found["Holm per keep"][number][budgets == 0]
        assert by_keep.tolist() == pytest.approx(holm([sign_flip(row).p for row in first]))


def test_noise_has_mean_zero_and_variance_one() -> None:
    for draw in (simulation.normal, simulation.heavy, simulation.skewed, simulation.collapsing):
        x = draw(np.random.default_rng(0), (400_000,))
        assert (x.mean(), x.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.03))


def test_errors_and_power_are_counted() -> None:
    one = simulation.Family(4, 1)
    sure = simulation.World("sure", simulation.normal, better=(50.0,))
    found = simulation.rates(sure, one, 6, 50)
    assert found.found["v_m"] == 1.0 and found.false["v_m"] <= 0.1
    assert simulation.rates(sure, one, 5, 20).found == dict.fromkeys(simulation.TESTS, 0.0)


def test_the_tables_are_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["simulate_tests.py", "--repetitions", "4"])
    monkeypatch.setattr(simulation, "SEEDS", (5, 6))
    simulation.main()
    out = capsys.readouterr().out
    assert out.count("| truth") == 4 and "| nothing " in out and "nan" not in out
