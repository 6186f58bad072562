"""The text of `prunebench compare`: changes between two runs, in their surroundings and in their results."""

from typing import Any

import pandas as pd

from prunebench.reports.analysis.changes import FELL, LOST, REGRESSED, SAME, changes_table
from prunebench.reports.analysis.comparable import changed_surroundings, check_comparable, named_alike
from prunebench.reports.document import Document, Items, Section, Table, Text
from prunebench.reports.formatting import MISSING, as_multiple, counted, is_missing, or_missing
from prunebench.reports.results import Results
from prunebench.reports.row_text import difference_cell, keep_of_metric

HEADER = ("task", "ranking", "criterion", "keep", "n", "identical", "difference in points", "p fell", "p rose")
RATIOS = ("MACs", "time", "verdict")
NOTE = (
    "Paired by seed, after - before, fine-tuned accuracy, 95 % t interval. One-sided paired t tests, each corrected "
    "over all points (Holm; where all differences are equal t knows no spread: sign flips, 2^-n). p fell: of a fall by "
    "more than {margin:g} points; regressed: at most 0.05. p rose: of a rise above zero; improved: at most 0.05. So "
    "unchanged code has some 'improved' with a probability of at most 5 %, and some 'regressed' far less often. held: "
    "the interval lies above -{margin:g} points, each point by itself; fell, too few seeds: the mean fell by more than "
    "that, but no p <= 0.05 was possible (one seed, or a few that all differ by the same): run more; open: nothing is "
    "shown. MACs, time: after / before."
)


def compare_runs(before: Results, after: Results, margin: float) -> tuple[Document, bool]:
    """Compare two runs. The flag tells whether a point regressed by more than `margin` (a fraction) or fails now.

    Raises `UserError` where the runs have no cell in common.
    """
    before, after = named_alike(before, after)
    check_comparable(before, after)
    table = changes_table(before, after, margin)
    bad = bool(table["verdict"].isin((REGRESSED, LOST)).any())
    rows = tuple(_row(row) for row in table[table["verdict"] != LOST].to_dict("records"))
    changed = [f"{name}: {old} -> {new}" for name, old, new in changed_surroundings(before, after)]
    around = Items(tuple(changed)) if changed else Text("Nothing: same packages, machine, commit, options and data.")
    caption = NOTE.format(margin=100 * margin)
    sections = [
        Section("What changed around the cells", (around,)),
        Section("Points", (*map(Text, before.notes), Table(caption, (*HEADER, *RATIOS), rows, text_columns=4))),
        Section("In short", (Items((*_verdict_counts(table), *_unmatched_records(before, after))),)),
    ]
    facts = (("before", before.source), ("after", after.source))
    return Document("Two runs compared", (), facts, tuple(sections)), bad


def _row(row: dict[Any, Any]) -> tuple[str, ...]:
    where = (row["task"], row["ranking"], row["criterion"], keep_of_metric(row))
    same = f"{row['identical']:g} of {row['n']}"
    p = [or_missing(row.get(name), ".3g") for name in ("p_worse", "p_better")]
    time = MISSING if is_missing(row.get("time")) else as_multiple(row["time"])
    moved = "0" if row["verdict"] == SAME else difference_cell(row | {"reference": "before"})
    return (*where, str(row["n"]), same, moved, *p, as_multiple(row["size"]), time, row["verdict"])


def _verdict_counts(table: pd.DataFrame) -> list[str]:
    lines = []
    for verdict, part in table.groupby("verdict", sort=False):
        several = part["task"].nunique() > 1
        names = [f"{r['criterion']} at {r['keep']:g}" + f", {r['task']}" * several for r in part.to_dict("records")]
        named = f" ({'; '.join(names) if several else ', '.join(names)})" if verdict in (REGRESSED, FELL, LOST) else ""
        lines.append(f"{verdict}: {len(part)} of {counted(len(table), 'point')}{named}")
    return lines


def _unmatched_records(before: Results, after: Results) -> list[str]:
    cells = [{(results.tasks[r.key], r.cell.model_dump_json()) for r in results.records} for results in (before, after)]
    alone = [(len(cells[0] - cells[1]), "before"), (len(cells[1] - cells[0]), "after")]
    return [f"records only in '{which}', not compared: {number}" for number, which in alone if number]
