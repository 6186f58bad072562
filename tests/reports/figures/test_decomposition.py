import pandas as pd
import pytest

from prunebench.reports.figures.decomposition import decomposition_drawing

ROWS = [
    *[
        ("mnist x lenet5", "macs", 0.5, *rest)
        for rest in [("criterion", 3, 6, 0.1, 0.08), ("seed", None, 6, 0.9, None)]
    ],
    ("mnist x lenet5", "macs", 0.25, "criterion", 3, 6, 1.0, 1.0),
]


def table(more: list[tuple[object, ...]]) -> pd.DataFrame:
    columns = ["task", "metric", "keep", "source", "levels", "n", "share", "beyond_noise"]
    return pd.DataFrame([*ROWS, *more], columns=columns).assign(low=0.05, high=0.2)


def test_each_keep_has_a_chart_and_each_source_a_bar() -> None:
    drawing = decomposition_drawing(table([]))
    assert drawing is not None
    assert [chart["title"]["text"] for _, chart in drawing.charts] == ["keep 0.5 MACs", "keep 0.25 MACs"]
    bars, ranges = (drawing.charts[0][1]["layer"][number]["data"]["values"] for number in (1, 2))
    assert [bar["x"] for bar in bars] == pytest.approx([10, 90])
    assert [bar["words"] for bar in bars] == ["criterion|criterion, 10.0 %", "seed|seed, 90.0 %"]
    assert bars[0]["colour"] != bars[1]["colour"]
    assert [bar["low"] for bar in ranges] == [5, 5] and [bar["high"] for bar in ranges] == [20, 20]


def test_several_tasks_are_told_apart() -> None:
    drawing = decomposition_drawing(table([("digits x lenet5", "macs", 0.5, "criterion", 3, 6, 1.0, 1.0)]))
    assert drawing is not None
    assert [(task, chart["title"]["subtitle"]) for task, chart in drawing.charts][-1] == (
        "digits x lenet5",
        "keep 0.5 MACs",
    )


def test_nothing_is_drawn_without_a_crossed_design() -> None:
    assert decomposition_drawing(table([])[:0]) is None
