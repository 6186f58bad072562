"""The section on the losses of training."""

import pandas as pd

from prunebench.reports.document import Section, Text
from prunebench.reports.figures.loss_curves import drawn_curves
from prunebench.reports.formatting import share
from prunebench.reports.language.message import SPACE, code, joined, say
from prunebench.reports.ordering import METRIC_WORDS, table_order

TITLE = say("Loss curves")
MEANING = say(
    "The loss of training, without a regulariser's term. It jumps where units are cut. Criteria share the epochs of "
    "dense training. `scratch:X` begins with its own training. The tooltip of a line gives its last loss."
)


def loss_curves_section(curves: pd.DataFrame) -> Section:
    """Say what the figure draws and what it leaves out. curves: as `loss_curves_table`."""
    if not len(curves):
        return Section(TITLE, (), "No record here holds losses of epochs.")
    return Section(TITLE, (Text(MEANING), Text(_drawn_text(curves))), name="loss-curves")


def _drawn_text(curves: pd.DataFrame) -> str:
    drawn = drawn_curves(curves)
    panels = drawn.drop_duplicates(["metric", "keep"]).to_dict("records")
    smallest = sorted(
        say("{share} of {metric}", share=share(row["keep"]), metric=METRIC_WORDS[row["metric"]]) for row in panels
    )
    text = say(
        "Drawn is the smallest keep of each task ({smallest}); `loss_curves.csv` has all keeps.",
        smallest=joined(smallest),
    )
    wanted, shown = (set(zip(part["task"], part["criterion"], strict=True)) for part in (curves, drawn))
    left = sorted({criterion for _, criterion in wanted - shown}, key=table_order)
    return joined((text, say("Only that file has {names}.", names=joined(map(code, left)))), SPACE) if left else text
