from collections.abc import Callable
from typing import Any

import pandas as pd

from prunebench.reports.analysis.fidelity import REACHABLE, WITHIN
from prunebench.reports.figures.drawing import Drawing
from prunebench.reports.figures.fidelity import fidelity_drawing

Rows = Callable[..., dict[str, dict[str, Any]]]
BASE = {"task": "mnist x lenet5", "layer": WITHIN, "n": 3, "spearman_half": 0.1, "seconds": None}
RHO = {"taylor": (0.5, 0.7), "random": (0.02, 0.01), REACHABLE: (0.9, 0.95)}
TABLE = pd.DataFrame(
    [
        BASE | {"criterion": name, "truth": truth, "spearman": rho}
        for name, both in RHO.items()
        for truth, rho in zip(("signed", "absolute"), both, strict=True)
    ]
)
PRICES = pd.DataFrame([{"model": "lenet5", "criterion": "taylor", "ratio": 3.25, "seconds": 0.1}])


def texts(drawing: Drawing) -> list[str]:
    layers = drawing.charts[0][1]["layer"]
    return [row["text"] for one in layers if one["mark"]["type"] == "text" for row in one["data"]["values"]]


def test_marks_are_at_the_signed_agreement_and_tell_the_other(rows_of: Rows) -> None:
    drawing = fidelity_drawing(TABLE, PRICES)
    assert drawing is not None and drawing.criteria == ("taylor", "random")
    words, row = next(iter(rows_of(drawing).items()))
    assert words == ("taylor: rho 0.50 ± 0.10 with the change of the loss, 0.70 ± 0.10 with its size alone, 3 seeds")
    assert row["x"] == 0.5


def test_the_limits_and_the_cost_are_written() -> None:
    drawing = fidelity_drawing(TABLE, PRICES)
    assert drawing is not None
    assert {"reachable", "random", "3.25x", "-"} <= set(texts(drawing))
    timed = fidelity_drawing(TABLE.assign(seconds=0.5), PRICES)
    assert timed is not None and "0.50 s" in texts(timed)


def test_no_agreement_was_measured() -> None:
    assert fidelity_drawing(TABLE[:0], PRICES[:0]) is None
    assert fidelity_drawing(TABLE.assign(spearman=None), PRICES) is None
