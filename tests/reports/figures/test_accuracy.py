import warnings
from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.reports.figures.accuracy import _limits, accuracy_figure
from prunebench.reports.figures.drawing import png_bytes, svg_text
from prunebench.reports.results import gather_results


def test_accuracy_names_every_line_and_panel(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor", "dense_continued"), (0, 1)) + make.grid(
        ("magnitude",), (0, 1), (0.5, 0.25), "global"
    )
    figure = accuracy_figure(make.summary(gather_results("x", records)))
    assert figure is not None
    text = svg_text(figure)
    for word in ("magnitude", "taylor", "dense_continued", ">dense<", "local ranking", "global ranking", "MACs kept"):
        assert word in text
    assert "NaN" not in text
    assert png_bytes(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("accuracy", [1.0, 0.0, 0.5])
def test_one_point_at_any_accuracy_is_drawn(accuracy: float, make: SimpleNamespace) -> None:
    summary = make.summary(gather_results("x", [make.record(accuracy=accuracy)]))
    figure = accuracy_figure(summary)
    assert figure is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "NaN" not in svg_text(figure)


def test_nothing_to_draw(make: SimpleNamespace) -> None:
    assert accuracy_figure(make.summary(gather_results("x", [make.failure()]))) is None


def test_the_dense_network_is_on_the_axis_however_much_better_it_is() -> None:
    low, high = _limits(pd.DataFrame({"y": [0.4, 0.8], "low": [0.4, 0.8], "high": [0.4, 0.8], "dense": [0.05, 0.05]}))
    assert low <= 0.05
    assert high >= 0.8
