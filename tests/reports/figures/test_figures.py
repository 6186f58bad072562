import warnings
from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.reports.figures.accuracy import _limits, accuracy_figure
from prunebench.reports.figures.drawing import log_ticks, png_bytes, svg_text
from prunebench.reports.figures.speed import SMALLEST, speed_figure
from prunebench.reports.results import gather
from prunebench.reports.tables.summary import summary_table


def test_accuracy_names_every_line_and_panel(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor", "dense_continued"), (0, 1)) + make.grid(
        ("magnitude",), (0, 1), (0.5, 0.25), "global"
    )
    figure = accuracy_figure(summary_table(gather("x", records)))
    assert figure is not None
    text = svg_text(figure)
    for word in ("magnitude", "taylor", "dense_continued", ">dense<", "local ranking", "global ranking", "MACs kept"):
        assert word in text
    assert "NaN" not in text
    assert png_bytes(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("accuracy", [1.0, 0.0, 0.5])
def test_one_point_at_any_accuracy_is_drawn(accuracy: float, make: SimpleNamespace) -> None:
    summary = summary_table(gather("x", [make.record(accuracy=accuracy)]))
    figure = accuracy_figure(summary)
    assert figure is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "NaN" not in svg_text(figure)


def test_speed_has_a_row_per_criterion(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "random"), (0, 1))
    figure = speed_figure(summary_table(gather("x", records, [make.latency(r) for r in records])))
    assert figure is not None
    text = svg_text(figure)
    assert "random" in text and ">0.25<" in text and "NaN" not in text


def test_an_interval_of_speed_that_reaches_below_zero_is_drawn(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude",), (0, 1), (0.5,))
    speeds = [make.latency(r).model_copy(update={"speedup": 1.0 + r.cell.seed}) for r in records]  # 1.5 +- 6.35
    figure = speed_figure(summary_table(gather("x", records, speeds)))
    assert figure is not None
    assert min(row["low"] for rows in figure.to_dict()["datasets"].values() for row in rows) == SMALLEST
    assert "NaN" not in svg_text(figure)


def test_nothing_to_draw(make: SimpleNamespace) -> None:
    empty = summary_table(gather("x", [make.failure()]))
    assert accuracy_figure(empty) is None and speed_figure(empty) is None
    assert speed_figure(summary_table(gather("x", [make.record()]))) is None


def test_ticks_are_round_apart_and_at_least_three() -> None:
    assert log_ticks((1, 1.2, 1.5, 2, 3, 4, 8, 16), (0.5, 18.0)) == [1, 1.5, 2, 3, 4, 8, 16]
    assert len(log_ticks((1, 2, 4), (1.1, 1.9))) == 4


def test_the_dense_network_is_on_the_axis_however_much_better_it_is() -> None:
    low, high = _limits(pd.DataFrame({"y": [0.4, 0.8], "low": [0.4, 0.8], "high": [0.4, 0.8], "dense": [0.05, 0.05]}))
    assert low <= 0.05
    assert high >= 0.8
