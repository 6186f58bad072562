from types import SimpleNamespace

import pytest

from prunebench.reports.results import gather_results
from prunebench.reports.tables.widths import widths_table


def test_mean_widths_in_the_order_of_the_model(make: SimpleNamespace) -> None:
    wide = make.record(seed=0, widths={"conv2": (50, 30), "fc1": (500, 50)})
    slim = make.record(seed=1, widths={"conv2": (50, 33), "fc1": (500, 50)}, floors=("fc1",))
    table = widths_table(gather_results("x", [wide, slim]))
    assert table[["layer", "dense", "width", "n", "at_floor"]].to_numpy().tolist() == [
        ["conv2", 50, pytest.approx(31.5), 2, 0],
        ["fc1", 500, 50.0, 2, 1],
    ]
