"""Results as a short table, for a terminal and for a notebook."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from tabulate import tabulate

from prunebench.records.record import Record
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.formatting import accuracy_with_half, as_multiple, counted, is_missing, percent
from prunebench.reports.ordering import BASELINE, METRIC_WORDS, cost_metric
from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.results import Results
from prunebench.reports.tables.records import records_table
from prunebench.reports.tables.speed import main_setting, speed_table
from prunebench.reports.tables.summary import summary_table

HEADER = ("criterion", "keep", "seeds", "accuracy, %", f"points above {BASELINE}", "kept", "parameters")
FAILED = 3  # most failures that are named


def results_text(results: Results) -> str:
    """Write the table of each task for a terminal, then what failed."""
    parts = [f"{title}\n{_table(rows, 'simple')}" for title, rows in _rows(results).items()]
    return "\n\n".join([*parts, *_failures(results)])


def results_html(results: Results) -> str:
    """Write the same as HTML."""
    parts = [f"<h4>{escape(title)}</h4>{_table(rows, 'html')}" for title, rows in _rows(results).items()]
    return "".join([*parts, *(f"<p>{escape(line)}</p>" for line in _failures(results))])


def cell_words(records: Iterable[Record], names: Sequence[str]) -> str:
    """List the values of some fields of cells, for messages."""
    found = {name: dict.fromkeys(getattr(record.cell, name) for record in records) for name in names}
    return "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in found.items()) or "none"


def _table(rows: list[list[str]], kind: str) -> str:
    return tabulate(rows, HEADER, kind, disable_numparse=True, colalign=["left", *["right"] * (len(HEADER) - 1)])


def _rows(results: Results) -> dict[str, list[list[str]]]:
    """Make the rows of each task and ranking, by title."""
    summary = summary_table(records_table(results), speed_table(results), main_setting(results))
    differences = differences_table(results)
    against = {
        tuple(row[name] for name in POINT_COLUMNS): row
        for row in differences.to_dict("records")
        if row["reference"] == BASELINE and row["n"] and row["criterion"] != BASELINE
    }
    found: dict[str, list[list[str]]] = {}
    for row in summary.to_dict("records"):
        metric = cost_metric(row["metric"])
        title = f"{row['task']}, {row['ranking']} ranking, dense {percent(row['accuracy_dense'])}"
        pair = against.get(tuple(row[name] for name in POINT_COLUMNS))
        half = row["accuracy_finetuned_half"]
        found.setdefault(title, []).append(
            [
                row["criterion"],
                f"{row['metric']}={row['keep']:g}",
                str(row["n"]),
                accuracy_with_half(row["accuracy_finetuned"], None if is_missing(half) else half),
                "" if pair is None else _difference(pair),
                f"{percent(row[f'keep_{metric}'], 1)} of {METRIC_WORDS[metric]}",
                f"{as_multiple(row['compression'])} fewer",
            ]
        )
    return found


def _difference(row: Mapping[Hashable, Any]) -> str:
    text = f"{100 * row['difference']:+.2f}"
    return text if is_missing(row["low"]) else f"{text} [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"


def _failures(results: Results) -> list[str]:
    if not results.failures:
        return [] if results.records else ["no point is finished"]
    shown = [f"{one.cell.criterion}, seed {one.cell.seed}: {one.reason}" for one in results.failures[:FAILED]]
    more = f"; and {len(results.failures) - FAILED} more" if len(results.failures) > FAILED else ""
    return [f"{counted(len(results.failures), 'point')} failed: {'; '.join(shown)}{more}"]
