"""All figures of a report, in the order of the page."""

from collections.abc import Mapping, Sequence

import pandas as pd

from prunebench.reports.analysis.across_tasks import AcrossTasks
from prunebench.reports.analysis.answers import Answer
from prunebench.reports.figures.accuracy import accuracy_drawing
from prunebench.reports.figures.causes import causes_drawing
from prunebench.reports.figures.decomposition import decomposition_drawing
from prunebench.reports.figures.drawing import Drawing
from prunebench.reports.figures.fidelity import fidelity_drawing
from prunebench.reports.figures.forest import forest_drawing
from prunebench.reports.figures.loss_curves import loss_curves_drawing
from prunebench.reports.figures.ranks import ranks_drawing
from prunebench.reports.figures.smallest_keeps import smallest_keeps_drawing
from prunebench.reports.figures.speed import speed_drawing


def all_drawings(
    tables: Mapping[str, pd.DataFrame],
    entries: Sequence[AcrossTasks],
    answers: Sequence[Answer],
    margin: float,
    setting: Sequence[object] | None,
    *,
    demonstration: bool = False,
) -> list[Drawing]:
    """Make every figure that has something to show.

    tables: as `make_tables`; entries: as `compare_across_tasks`; answers: as `find_answers`; margin: a fraction;
    setting: of the timings, as `main_setting`. A demonstration shows no verdicts.
    """
    summary = tables["summary"]
    drawn = (
        forest_drawing(tables["differences"], margin, demonstration),
        accuracy_drawing(summary),
        accuracy_drawing(summary, "params"),
        accuracy_drawing(summary, "ms"),
        smallest_keeps_drawing(tables["smallest_keeps"]),
        speed_drawing(summary, setting),
        causes_drawing(tables["causes"], summary, answers),
        decomposition_drawing(tables["decomposition"]),
        ranks_drawing(entries),
        fidelity_drawing(tables["fidelity"], tables["prices"]),
        loss_curves_drawing(tables["loss_curves"]),
    )
    return [drawing for drawing in drawn if drawing is not None]
