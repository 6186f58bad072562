"""The one table of all points: accuracy, difference, costs, speed and verdict, sorted and filtered on the page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from prunebench.reports.document import Table
from prunebench.reports.formatting import MISSING, accuracy_with_half, as_multiple, is_missing, percent
from prunebench.reports.language.message import SPACE, joined, marked, say
from prunebench.reports.ordering import BASELINE, cost_metric
from prunebench.reports.points import POINT_COLUMNS, Point
from prunebench.reports.row_text import difference_cell, keep_of_metric, verdict_cell

CAPTION = say(
    "Accuracy in % after fine-tuning, dense and as cut: mean ± half of the 95 % t interval over n seeds. Difference to "
    "`{baseline}` in points, paired. Kept: MACs, or single weights. Compression: parameters, dense / pruned. "
    "Theoretical: speed-up by MACs.",
    baseline=BASELINE,
)
Row = Mapping[Any, Any]


def points_table(summary: pd.DataFrame, differences: pd.DataFrame, setting: str, demonstration: bool) -> Table:
    """Tabulate all points. setting: the machine and backend of the timings, empty where nothing was timed."""
    paired = _against_baseline(differences)
    columns = [(name, cell) for name, cell in _columns(demonstration).items() if _used(name, summary)]
    rows = []
    for row in summary.to_dict("records"):
        other = paired.get(Point(*(row[name] for name in POINT_COLUMNS)))
        rows.append(tuple(cell(row, other) for _, cell in columns))
    measured = [say("Measured: {setting}.", setting=setting)] if setting else []
    header = tuple(name for name, _ in columns)
    task = [] if "task" in header else [say("{task}.", task=summary["task"].iloc[0])]
    caption = joined([*task, CAPTION, *measured], SPACE)
    kinds = tuple(name if name == "task" else "" for name in header)
    return Table(caption, header, tuple(rows), header.index("n"), tools=True, styles=(kinds,) * len(rows))


def _columns(demonstration: bool) -> dict[str, Any]:
    """Name the columns; each takes the row of the summary and that of the difference, or None."""
    return {
        say("task"): lambda row, _: row["task"],
        say("ranking"): lambda row, _: row["ranking"],
        say("keep"): lambda row, _: keep_of_metric(row),
        say("criterion"): lambda row, _: row["criterion"],
        "n": lambda row, _: str(row["n"]),
        say("accuracy"): lambda row, _: accuracy_with_half(row["accuracy_finetuned"], row["accuracy_finetuned_half"]),
        say("difference"): lambda _, other: MISSING if other is None else difference_cell(dict(other)),
        say("verdict"): lambda _, other: MISSING if other is None or demonstration else verdict_cell(dict(other)),
        say("dense"): lambda row, _: _accuracy(row["accuracy_dense"]),
        say("cut"): lambda row, _: _accuracy(row["accuracy_cut"]),
        say("cut, BN re-est."): lambda row, _: _accuracy(row["accuracy_cut_bn"]),
        say("repaired"): lambda row, _: _or_missing(row, "accuracy_repaired", _accuracy),
        "top-5": lambda row, _: _or_missing(row, "top5_finetuned", _accuracy),
        say("kept"): lambda row, _: _kept(row),
        say("params kept"): lambda row, _: percent(row["keep_params"], 1),
        say("compression"): lambda row, _: as_multiple(row["compression"]),
        say("theoretical"): lambda row, _: _or_missing(row, "theoretical", as_multiple),
        say("measured"): lambda row, _: _measured(row),
    }


def _used(name: str, summary: pd.DataFrame) -> bool:
    """Tell whether a column says anything: one of a single value, or of what was not measured, does not."""
    if name in ("task", "ranking"):
        return summary[name].nunique() > 1
    if name == "cut, BN re-est.":
        return not summary["accuracy_cut"].equals(summary["accuracy_cut_bn"])
    needed = {
        "repaired": "accuracy_repaired",
        "top-5": "top5_finetuned",
        "measured": "measured",
        "theoretical": "theoretical",
    }
    return name not in needed or (needed[name] in summary and bool(summary[needed[name]].notna().any()))


def _accuracy(mean: float) -> str:
    return accuracy_with_half(mean, None)


def _kept(row: Row) -> str:
    cost = cost_metric(row["metric"])
    return percent(row[f"keep_{cost}"], 2 if cost == "weights" else 1)


def _or_missing(row: Row, name: str, write: Any) -> str:
    return MISSING if is_missing(row.get(name)) else str(write(row[name]))


def _measured(row: Row) -> str:
    if is_missing(row.get("measured")):
        return say("not timed")
    fewer = f" (n = {row['measured_n']:g})" if row["measured_n"] != row["n"] else ""
    return marked(as_multiple(row["measured"], row["measured_half"]) + fewer, "‡" if row["noisy"] else "")


def _against_baseline(differences: pd.DataFrame) -> dict[Point, Row]:
    if "verdict" not in differences:
        return {}
    ours = differences[differences["primary"].astype(bool) & (differences["reference"] == BASELINE)]
    return {Point(*(row[name] for name in POINT_COLUMNS)): row for row in ours.to_dict("records")}
