from types import SimpleNamespace

from prunebench.reports.figures.drawing import svg_text
from prunebench.reports.figures.speed import SMALLEST, speed_figure
from prunebench.reports.results import gather_results


def test_speed_has_a_row_per_criterion(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "random"), (0, 1))
    figure = speed_figure(make.summary(gather_results("x", records, [make.latency(r) for r in records])))
    assert figure is not None
    text = svg_text(figure)
    assert "random" in text and ">0.25<" in text and "NaN" not in text


def test_an_interval_of_speed_that_reaches_below_zero_is_drawn(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude",), (0, 1), (0.5,))
    speeds = [make.latency(r).model_copy(update={"speedup": 1.0 + r.cell.seed}) for r in records]  # 1.5 +- 6.35
    figure = speed_figure(make.summary(gather_results("x", records, speeds)))
    assert figure is not None
    assert min(row["low"] for rows in figure.to_dict()["datasets"].values() for row in rows) == SMALLEST
    assert "NaN" not in svg_text(figure)


def test_nothing_was_timed(make: SimpleNamespace) -> None:
    for record in (make.failure(), make.record()):
        assert speed_figure(make.summary(gather_results("x", [record]))) is None
