from collections.abc import Callable
from typing import Any

import pandas as pd

from prunebench.reports.figures.smallest_keeps import CROSS, smallest_keeps_drawing

Rows = Callable[..., dict[str, dict[str, Any]]]
ROW = {"task": "t", "ranking": "local", "metric": "macs", "criterion": "obd", "reference": "dense", "n": 5}
ROW |= {"margin": 0.005, "smallest_keep": 0.25, "params_kept": 0.2, "tested_to": 0.1, "failed_at": None}
CONTINUED = {"reference": "dense_continued", "smallest_keep": None, "params_kept": None}


def test_each_criterion_has_a_mark_for_both_references(rows_of: Rows) -> None:
    drawing = smallest_keeps_drawing(pd.DataFrame([ROW, ROW | CONTINUED]))
    assert drawing is not None and "hollow: against that network trained as long" in drawing.title
    first, second = rows_of(drawing).items()
    assert (
        first[0] == "obd: loses at most 0.5 points against dense down to keep 0.25 (20.0 % of the parameters), 5 seeds"
    )
    assert first[1]["x"] == 0.25 and first[1]["fill"] != "none"
    assert "at no keep down to 0.1" in second[0] and "trained as long" in second[0]
    assert second[1]["shape"] == CROSS and second[1]["x"] > 1 and second[1]["py"] > first[1]["py"]


def test_the_axis_says_what_is_kept_in_one_line() -> None:
    drawing = smallest_keeps_drawing(pd.DataFrame([ROW]))
    assert drawing is not None
    layers = drawing.charts[0][1]["layer"]
    axis = next(one for one in layers if one["mark"]["type"] == "point")["encoding"]["x"]["axis"]
    assert axis["title"] == "MACs kept" and not axis["labelExpr"].startswith("[")


def test_a_failed_seed_is_told(rows_of: Rows) -> None:
    drawing = smallest_keeps_drawing(pd.DataFrame([ROW | {"smallest_keep": None, "failed_at": 0.5}]))
    assert drawing is not None and "hollow" not in drawing.title
    assert "a seed failed at 0.5" in next(iter(rows_of(drawing)))


def test_no_keep_was_tested() -> None:
    assert smallest_keeps_drawing(pd.DataFrame(columns=[*ROW])) is None
