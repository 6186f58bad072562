import math
from types import SimpleNamespace
from typing import Any

from prunebench.records.record import Epoch
from prunebench.reports.figures.drawing import configured, svg_text
from prunebench.reports.figures.loss_curves import DRAWN, POINTS, drawn_curves, loss_curves_drawing
from prunebench.reports.results import gather_results
from prunebench.reports.tables.loss_curves import loss_curves_table


def layers_of(records: list[Any], kind: str) -> list[list[dict[str, Any]]]:
    drawing = loss_curves_drawing(loss_curves_table(gather_results("x", records)))
    assert drawing is not None
    assert "NaN" not in svg_text(configured(drawing.charts[0][1]))
    return [one["data"]["values"] for one in drawing.charts[0][1]["layer"] if one["mark"]["type"] == kind]


def test_one_line_per_criterion_at_the_smallest_keep(make: SimpleNamespace) -> None:
    (points,) = layers_of(make.grid(("magnitude", "taylor", "scratch:magnitude"), range(3)), "line")
    own = [point for point in points if point["criterion"] == "taylor"]
    assert len(own) == 7 and own[0]["y"] > own[-1]["y"]
    assert (
        own[0]["words"].startswith("taylor|taylor, keep 0.25: training loss ") and "after 7 epochs" in own[0]["words"]
    )
    assert [point["x"] for point in points if point["criterion"] == "scratch:magnitude"] == [1, 2, 3, 4]


def test_stages_are_parted_and_named(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude",), range(3))
    lines, texts = layers_of(records, "rule"), layers_of(records, "text")
    assert [row["at"] for rule in lines for row in rule if "at" in row] == [3, 4, 5]
    assert [row["text"] for row in texts[0]] == ["D", "S", "R", "F"]


def test_intervals_are_bands(make: SimpleNamespace) -> None:
    (band,) = layers_of(make.grid(("magnitude",), range(3)), "area")
    assert {row["words"] for row in band} == {"magnitude|band"} and all(row["low"] < row["high"] for row in band)
    assert layers_of(make.grid(("magnitude",), (0,)), "area") == []


def test_too_many_criteria_are_left_out_in_the_order_of_the_tables(make: SimpleNamespace) -> None:
    names = ("random", *(f"own{number}" for number in range(DRAWN)), "magnitude")
    drawn = drawn_curves(loss_curves_table(gather_results("x", make.grid(names, (0,)))))
    assert set(drawn["criterion"]) == {"magnitude", *(f"own{number}" for number in range(DRAWN - 1))}


def test_long_curves_are_thinned_and_keep_the_ends_of_stages(make: SimpleNamespace) -> None:
    stages = [("dense", 997), ("sparse", 3)]
    epochs = [Epoch(stage=s, epoch=e + 1, rate=0.1, loss=1.0) for s, n in stages for e in range(n)]
    (points,) = layers_of([make.record(curves=tuple(epochs))], "line")
    assert len(points) <= POINTS + 4 and {1, 997, 998, 1000} <= {point["x"] for point in points}


def test_odd_losses_are_drawn_or_left_out(make: SimpleNamespace) -> None:
    losses = (2.0, math.inf, math.nan, -1.0, 0.0)
    curves = tuple(Epoch(stage="dense", epoch=e + 1, rate=0.1, loss=loss) for e, loss in enumerate(losses))
    (points,) = layers_of([make.record(curves=curves)], "line")
    assert [point["x"] for point in points] == [1, 4, 5] and all(point["y"] > 0 for point in points)
    assert loss_curves_drawing(loss_curves_table(gather_results("x", [make.record(curves=())]))) is None
