"""Critical-difference diagrams (Demsar, JMLR 2006): mean ranks over tasks, and which of them stay undecided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prunebench.reports.analysis.across_tasks import AcrossTasks
from prunebench.reports.figures.drawing import FAINT, INK, Drawing, Spec, describe
from prunebench.reports.figures.marks import (
    CONTENT,
    finished,
    in_table_order,
    look,
    name_width,
    pixel_lines,
    symbols,
    texts,
    x_axis,
)
from prunebench.reports.language.message import joined, say, say_many
from prunebench.reports.row_text import keep_of_metric

TITLE = say(
    "Mean rank of each criterion over the tasks (1 is best, at the left). A thick bar joins criteria that the test of "
    "Nemenyi does not tell apart; CD is the critical difference of two mean ranks."
)
PITCH, BAR = 16, 7  # px: from name to name, and from bar to bar
NAME_LIMIT = 110


@dataclass(frozen=True)
class Place:
    """Where a criterion stands. number: in the order of ranks; side: -1 where its name is at the left, else 1."""

    name: str
    rank: float
    number: int
    side: int
    px: float
    py: float


def ranks_drawing(entries: Sequence[AcrossTasks]) -> Drawing | None:
    """Draw one diagram per ranking, metric and keep that was tested. None where nothing was: it takes six tasks."""
    tested = [entry for entry in entries if entry.friedman is not None and entry.critical is not None]
    if not tested:
        return None
    names = in_table_order(str(name) for entry in tested for name in entry.ranks.index)
    return Drawing("ranks", TITLE, tuple(("", _chart(entry)) for entry in tested), names)


def _chart(entry: AcrossTasks) -> Spec:
    ranks = entry.ranks.sort_values(kind="stable")
    half = (len(ranks) + 1) // 2
    left, right = name_width(ranks.index[:half], NAME_LIMIT), name_width(ranks.index[half:], NAME_LIMIT)
    width = float(CONTENT - left - right)
    pixel = width / (len(ranks) - 1)
    bars = _bars(entry, pixel)
    below = 12 + BAR * max((bar["level"] + 1 for bar in bars), default=0)
    places = []
    for number, (name, rank) in enumerate(ranks.items()):
        side = -1 if number < half else 1
        row = number if side < 0 else len(ranks) - 1 - number
        places.append(Place(str(name), float(rank), number, side, (rank - 1) * pixel, below + PITCH * (row + 0.5)))
    height = below + PITCH * half
    critical = (entry.critical or 0.0) * pixel
    marks = [look(one.name) | {"x": one.rank, "py": 0, "words": _words(one, entry)} for one in places]
    axis = {"orient": "top", "tickMinStep": 1, "tickCount": min(len(ranks), 10), "format": "d", "labelFlush": False}
    layers = [
        *_leaders(places, width),
        *([pixel_lines(bars, strokeWidth=4, color=INK, strokeCap="round")] if bars else []),
        symbols(marks, x_axis((1, len(ranks)), say("mean rank"), **axis)),
        *_critical(min(critical, CONTENT), left),
        texts(
            [{"px": -6, "py": one.py, "text": one.name} for one in places if one.side < 0],
            "right",
            limit=NAME_LIMIT - 6,
        ),
        texts(
            [{"px": width + 6, "py": one.py, "text": one.name} for one in places if one.side > 0], limit=NAME_LIMIT - 6
        ),
    ]
    heading = say_many(
        "{ranking} ranking, keep {keep}, {number} task",
        "{ranking} ranking, keep {keep}, {number} tasks",
        len(entry.scores),
        ranking=entry.ranking,
        keep=keep_of_metric(entry.key),
    )
    return finished(layers, (width, height), {"text": heading, "fontSize": 11, "offset": 34})


def _words(place: Place, entry: AcrossTasks) -> str:
    mates = sorted({name for group in entry.groups if place.name in group for name in group} - {place.name})
    names = say("undecided against {names}", names=joined(mates)) if mates else say("different from all others")
    rank = say("{criterion}: mean rank {rank}", criterion=place.name, rank=format(place.rank, ".2f"))
    return describe(place.name, joined((rank, names)))


def _leaders(places: Sequence[Place], width: float) -> list[Spec]:
    """Lead from every mark down to the height of its name, then to the side."""
    down = [{"px": one.px, "px2": one.px, "py": 0, "py2": one.py} for one in places]
    across = [{"px": one.px, "px2": -3 if one.side < 0 else width + 3, "py": one.py, "py2": one.py} for one in places]
    return [pixel_lines(down + across, color=FAINT)]


def _bars(entry: AcrossTasks, pixel: float) -> list[dict[str, Any]]:
    """Give one bar per group, each on the first level where it does not touch another."""
    ranks = entry.ranks
    ends: list[float] = []
    bars: list[dict[str, Any]] = []
    groups = [(min(ranks[list(group)]), max(ranks[list(group)])) for group in entry.groups if len(group) > 1]
    for low, high in sorted(groups):
        level = next((i for i, end in enumerate(ends) if low > end + 0.1), len(ends))
        ends[level : level + 1] = [high]
        y = 10 + BAR * level
        bars.append({"px": (low - 1) * pixel - 3, "px2": (high - 1) * pixel + 3, "py": y, "py2": y, "level": level})
    return bars


def _critical(length: float, left: float) -> list[Spec]:
    """Draw the critical difference as a bar above the axis."""
    y = -46
    line = [{"px": 0, "px2": length, "py": y, "py2": y}]
    line += [{"px": x, "px2": x, "py": y - 4, "py2": y + 4} for x in (0.0, length)]
    return [pixel_lines(line, color=INK), texts([{"px": -6, "py": y, "text": "CD"}], "right")]
