from types import SimpleNamespace

import numpy as np
import pytest

from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.analysis.power import power_table
from prunebench.reports.results import gather_results
from prunebench.reports.statistics.t_test_power import t_test_seeds


def test_seeds_come_from_the_observed_spread(make: SimpleNamespace) -> None:
    d = [0.01, 0.03, 0.02, 0.04]
    records = [make.record("taylor", s, accuracy=0.5 + x) for s, x in enumerate(d)]
    records += [make.record("obd", s, accuracy=0.5 + 10 * x) for s, x in enumerate(d)]
    records += [make.record("magnitude", s, accuracy=0.5) for s in range(4)] + make.grid(("random",), range(4), (0.5,))
    table = power_table(differences_table(gather_results("x", records)), 0.005).set_index("criterion")
    row = table.loc["taylor"]
    assert row["sd"] == pytest.approx(np.std(d, ddof=1))
    assert row["sd_low"] < row["sd"] < row["sd_high"]
    assert (row["family"], row["exact_seeds"]) == (2, 7)  # 2 * 2**-6 is the first below .05
    assert row["seeds"] == t_test_seeds(0.005, row["sd"], 0.8, 0.025)
    assert row["seeds_low"] < row["seeds"] < row["seeds_high"]
    assert row["seeds_observed"] == max(7, t_test_seeds(0.025, row["sd"], 0.8, 0.025) or 0)
    assert set(table.index) == {"taylor", "obd"}
    assert table.loc["obd", "seeds"] > row["seeds"]


def test_no_spread_no_row(make: SimpleNamespace) -> None:
    assert not len(power_table(differences_table(gather_results("x", make.grid(("magnitude", "taylor"), (0,)))), 0.005))
    assert not len(power_table(differences_table(gather_results("x", [])), 0.005))
