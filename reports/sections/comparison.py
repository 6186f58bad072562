"""The sections on differences to the baseline, to parts of combinations and to the controls."""

import pandas as pd

from prunebench.records.latency import ENOUGH_OF_CORE
from prunebench.reports.document import Part, Section, Table, Text
from prunebench.reports.formatting import (
    BEYOND_BOUND,
    BEYOND_BOUND_NOTE,
    MISSING,
    percent,
)
from prunebench.reports.language.message import say
from prunebench.reports.ordering import KEEP_TOLERANCE, METRIC_WORDS, table_order
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.row_text import difference_cell
from prunebench.reports.rows import grouped_rows
from prunebench.reports.sections.contrasts import contrast_blocks
from prunebench.reports.tables.speed import NOISY

UNRELIABLE = say(
    "‡ unreliable: within one measurement the ratio's own 95 % interval spans more than a factor of {factor}, or the "
    "timing thread had less than {share} of its core. Most likely the machine was busy; time these again on an idle "
    "one before quoting them.",
    factor=format(NOISY, "g"),
    share=percent(ENOUGH_OF_CORE, 0),
)


def comparison_sections(differences: pd.DataFrame, demonstration: bool) -> list[Section]:
    """Give one section per task, ranking and metric: the declared contrasts, then differences to the controls.

    differences: as `differences_table`.
    """
    if not len(differences):
        return []
    sections = []
    for (task, ranking, metric), part in differences.groupby(PANEL_COLUMNS, sort=False):
        primary = part["primary"].astype(bool)
        blocks = [*contrast_blocks(part, demonstration), *_control_blocks(part[~primary], str(ranking))]
        title = say(
            "Differences: {task}, {ranking} ranking, keeps of {metric}",
            task=task,
            ranking=ranking,
            metric=METRIC_WORDS[metric],
        )
        sections.append(Section(title, tuple(blocks)))
    return sections


def bound_note(table: Table) -> list[Text]:
    """Explain the mark of intervals that reach beyond the bounds of the number, where the table has the mark."""
    return [Text(BEYOND_BOUND_NOTE)] if table.contains(BEYOND_BOUND) else []


def budget_note(table: Table) -> list[Text]:
    """Explain the mark of points that do not cost the same, where the table has the mark."""
    text = say(
        "† achieved keeps differ by more than {tolerance}: not the same budget.", tolerance=format(KEEP_TOLERANCE, "g")
    )
    return [Text(text)] if table.contains("†") else []


def _control_blocks(part: pd.DataFrame, ranking: str) -> list[Part]:
    if not len(part):
        return []
    pairs = sorted(
        set(zip(part["reference_ranking"], part["reference"], strict=True)),
        key=lambda pair: (table_order(pair[1]), pair),
    )
    references = (name if where == ranking else f"{name} ({where})" for where, name in pairs)
    names = [say("to {name}", name=name) for name in references]
    rows = []
    for (keep, criterion), group in grouped_rows(part, ["keep", "criterion"]).items():
        found = {(r["reference_ranking"], r["reference"]): r for r in group}
        cells = [f"{keep:g}", str(criterion), _range_of_counts([r["n"] for r in found.values()])]
        cells += [difference_cell(found[pair]) if pair in found else _absent(criterion, pair[1]) for pair in pairs]
        rows.append(tuple(cells))
    header = (say("keep"), say("criterion"), say("pairs"), *names)
    caption = say(
        "To the controls: fine-tuned accuracy in points over the seeds that both have, with 95 % t intervals."
    )
    table = Table(caption, header, tuple(rows), text_columns=2)
    return [table, *budget_note(table)]


def _absent(criterion: object, reference: str) -> str:
    return "-" if criterion == reference else MISSING


def _range_of_counts(counts: list[int]) -> str:
    least, most = min(counts), max(counts)
    return str(least) if least == most else say("{least} to {most}", least=least, most=most)
