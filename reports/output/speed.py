"""The text of `prunebench time` and of `show`: milliseconds, speed-ups, and a warning where the machine was busy."""

from collections.abc import Iterable, Iterator

import pandas as pd
from tabulate import tabulate

from prunebench.reports.results import Results
from prunebench.reports.sections.comparison import UNRELIABLE
from prunebench.reports.sections.costs import busy_lines, energy_note, timed_table
from prunebench.reports.tables.speed import SETTING, speed_table

NOTE = (
    "ms: median of one batch; networks of equal widths are timed once; measured: median of the ratios dense / pruned "
    "of calls taken in turn, so not the quotient of the two ms; own interval: the widest ends of the 95 % intervals of "
    "single measurements"
)


def speed_text(results: Results) -> str:
    """Write one table for each task and setting."""
    parts = []
    speed = speed_table(results)
    for key, part in speed.groupby(["task", "ranking", *SETTING], sort=False):
        names, cells = timed_table(part)
        header, rows = _without(names), [_without(row) for row in cells]
        title = _title(key)
        align = ["left"] * 2 + ["right"] * (len(header) - 2)
        parts.append(f"{title}\n\n{tabulate(rows, header, 'simple', disable_numparse=True, colalign=align)}")
    return "\n\n".join([*parts, energy_note(speed), *speed_notes(speed)])


def speed_notes(speed: pd.DataFrame) -> list[str]:
    """Explain the numbers and marks of these tables, and warn where the machine was busy. speed: as `speed_table`."""
    if not len(speed):
        return []
    return [NOTE, *([UNRELIABLE] if bool(speed["noisy"].any()) else []), *busy_lines(speed)]


def speed_panels(results: Results) -> Iterator[tuple[str, list[list[str]]]]:
    """Give a title and rows, the header first, for each task and setting. Criteria of equal widths share a row."""
    for key, part in speed_table(results).groupby(["task", "ranking", *SETTING], sort=False):
        found: dict[tuple[str, ...], list[str]] = {}
        names, rows = timed_table(part)
        for cells in rows:
            found.setdefault((cells[0], *cells[4:9]), []).append(cells[2])
        header = [names[0], "criteria", *names[4:6], "by MACs", *names[7:9]]
        yield _title(key), [header, *([keep, ", ".join(criteria), *rest] for (keep, *rest), criteria in found.items())]


def _title(key: Iterable[object]) -> str:
    return "{} | {} ranking | {} | {}, batch {}, threads: {}".format(*key)


def _without(row: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the ranking, which stands in the title, and the efficiency: the table fits into 100 columns."""
    return (row[0], *row[2:9], *row[10:])
