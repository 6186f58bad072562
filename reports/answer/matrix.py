"""The matrix of verdicts: criterion by keep, one table for each task, ranking and metric."""

from collections.abc import Hashable, Iterable

import pandas as pd

from prunebench.reports.analysis.verdicts import BETTER, OPEN, OTHER_BUDGET, TIED, TOO_FEW, WORSE
from prunebench.reports.document import Part, Section, Table, Text
from prunebench.reports.formatting import share, signed_points
from prunebench.reports.language.message import say
from prunebench.reports.ordering import BASELINE, METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.rows import grouped_rows

TITLE = say("Which criterion is better than the baseline?")
SIGNS = {BETTER: "▲", WORSE: "▼", OPEN: "○", TIED: "○", TOO_FEW: "?", OTHER_BUDGET: "≠"}
STYLES = {BETTER: "better", WORSE: "worse", OPEN: "open", TIED: "open"}
LEGEND = say(
    "Difference to `{baseline}` in points of accuracy, mean over paired seeds. A row 'A+B to A' compares a "
    "combination with its part. ▲ better, ▼ worse: one joint test of all criteria and keeps of a task and ranking, "
    "level 0.05. ○ undecided, which does not mean equal. ? too few seeds to decide. ≠ the networks do not cost the "
    "same. * the verdict holds for these test pictures only.",
    baseline=BASELINE,
)

NOTHING = say("No criterion was run beside `{baseline}`, and no combination beside its parts.", baseline=BASELINE)


def matrix_section(differences: pd.DataFrame, notes: tuple[str, ...], demonstration: bool) -> Section:
    """Tabulate the verdicts. differences: the table of that name; notes: what the test is, below the tables."""
    ours = differences[differences["primary"].astype(bool)] if len(differences) else differences
    if not len(ours):
        return Section(TITLE, (), NOTHING)
    tables = [_table(key, part, demonstration) for key, part in ours.groupby(PANEL_COLUMNS, sort=False)]
    blocks: list[Part] = [Text(LEGEND), *tables, *(Text(note) for note in notes)]
    return Section(TITLE, tuple(blocks), name="verdicts")


def _table(key: Iterable[Hashable], part: pd.DataFrame, demonstration: bool) -> Table:
    task, ranking, metric = map(str, key)
    keeps = sorted(part["keep"].unique(), reverse=True)
    rows, styles = [], []
    part = part.sort_values("reference", key=lambda names: names != BASELINE, kind="stable")
    for (reference, criterion), of_pair in grouped_rows(part, ["reference", "criterion"]).items():
        found = {row["keep"]: row for row in of_pair}
        cells = [_cell(found.get(keep), demonstration) for keep in keeps]
        rows.append((_name(str(criterion), str(reference)), *(text for text, _ in cells)))
        styles.append(("", *(style for _, style in cells)))
    header = (say("criterion"), *(say("{share} kept", share=share(keep)) for keep in keeps))
    caption = say(
        "{task}, {ranking} ranking, keeps of {metric}", task=task, ranking=ranking, metric=METRIC_WORDS[metric]
    )
    return Table(caption, header, tuple(rows), task=task, styles=tuple(styles))


def _name(criterion: str, reference: str) -> str:
    if reference == BASELINE:
        return criterion
    return say("{criterion} to {reference}", criterion=criterion, reference=reference)


def _cell(row: dict[object, object] | None, demonstration: bool) -> tuple[str, str]:
    """Give the text and the style of a cell."""
    if row is None or not row["n"]:
        return "-", ""
    verdict = "" if demonstration else str(row["verdict"])
    only_here = "*" if row.get("on_these_pictures") is True and not demonstration else ""
    text = f"{SIGNS.get(verdict, '')} {signed_points(float(str(row['difference'])))}{only_here}"
    return text.strip(), STYLES.get(verdict, "")
