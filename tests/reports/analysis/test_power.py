from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.analysis.power import power_table
from prunebench.reports.results import gather_results
from prunebench.reports.statistics.joint_power import seeds_to_decide


def test_seeds_come_from_the_observed_spread(make: SimpleNamespace) -> None:
    d = [0.01, 0.03, 0.02, 0.04]
    records = [make.record("taylor", s, accuracy=0.5 + x) for s, x in enumerate(d)]
    records += [make.record("obd", s, accuracy=0.5 + 10 * x) for s, x in enumerate(d)]
    records += [make.record("magnitude", s, accuracy=0.5) for s in range(4)] + make.grid(("random",), range(4), (0.5,))
    table = power_table(differences_table(gather_results("x", records)), 0.005).set_index("criterion")
    row = table.loc["taylor"]
    assert row["sd"] == pytest.approx(np.std(d, ddof=1))
    assert row["sd_low"] < row["sd"] < row["sd_high"]
    assert row["seeds"] == seeds_to_decide(0.005, row["sd"], 2)
    assert row["seeds_low"] < row["seeds"] < row["seeds_high"]
    assert pd.isna(row["detectable"])  # four seeds
    assert "seeds_observed" not in table
    assert set(table.index) == {"taylor", "obd"}
    assert table.loc["obd", "seeds"] > row["seeds"]


def test_no_spread_no_row(make: SimpleNamespace) -> None:
    assert not len(power_table(differences_table(gather_results("x", make.grid(("magnitude", "taylor"), (0,)))), 0.005))
    assert not len(power_table(differences_table(gather_results("x", [])), 0.005))
