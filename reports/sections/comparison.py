"""The sections on accuracies and costs, and on the differences to the baseline and the controls."""

from typing import Any

import pandas as pd

from prunebench.reports.document import Part, Section, Table, Text
from prunebench.reports.formatting import (
    BEYOND_BOUND,
    BEYOND_BOUND_NOTE,
    MISSING,
    accuracy_with_half,
    as_multiple,
    is_missing,
    percent,
)
from prunebench.reports.ordering import KEEP_TOLERANCE, METRIC_WORDS, table_order
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.row_text import difference_cell
from prunebench.reports.sections.contrasts import contrast_blocks
from prunebench.reports.tables.speed import NOISY

NAMES = {
    "accuracy_dense": "dense",
    "accuracy_cut": "cut",
    "accuracy_cut_bn": "cut, BN re-est.",
    "accuracy_finetuned": "fine-tuned",
}
ACCURACY = "Accuracy in %, mean ± half of the 95 % t interval over n seeds; compression: parameters, dense / pruned"
UNRELIABLE = (
    "‡ unreliable: within one measurement the ratio's own 95 % interval spans more than a factor of "
    f"{NOISY:g}. Most likely the machine was busy; time these again on an idle one before quoting them."
)


def comparison_sections(
    summary: pd.DataFrame, differences: pd.DataFrame, setting: str, demonstration: bool
) -> list[Section]:
    """Give one section per task, ranking and metric: accuracies and costs, then paired differences.

    summary: as `summary_table`. differences: as `differences_table`. setting: the machine and backend of the timings.
    """
    sections = []
    for key, part in summary.groupby(PANEL_COLUMNS, sort=False):
        task, ranking, metric = (str(value) for value in key)
        accuracies = _accuracy_table(part, setting)
        blocks: list[Part] = [accuracies, *bound_note(accuracies)]
        if "noisy" in part and (part["noisy"] == True).any():  # noqa: E712 - missing where nothing was timed
            blocks.append(Text(UNRELIABLE))
        ours = (
            differences[(differences[PANEL_COLUMNS] == list(key)).all(axis="columns")]
            if len(differences)
            else differences
        )
        if len(ours):
            blocks += [*_difference_blocks(ours, ranking), *contrast_blocks(ours, demonstration)]
        sections.append(Section(f"{task}: {ranking} ranking, keeps of {METRIC_WORDS[metric]}", tuple(blocks)))
    return sections


def _accuracy_table(part: pd.DataFrame, setting: str) -> Table:
    if part["metric"].iloc[0] == "weights":
        return _single_weights_table(part)
    measured = "measured" in part and bool(part["measured"].notna().any())
    header = ["keep", "criterion", "n", *NAMES.values(), "MACs kept", "theoretical"]
    header += ["measured", "efficiency"] if measured else []
    header += ["params kept", "compression", "evidence"]
    rows = tuple(tuple(_accuracy_row(row, measured)) for row in part.to_dict("records"))
    caption = f"{ACCURACY}; theoretical: speed-up by MACs"
    caption += f"; measured: speed-up on {setting}; efficiency: measured / theoretical." if measured else "."
    return Table(caption, tuple(header), rows, text_columns=2)


def bound_note(table: Table) -> list[Text]:
    """Explain the mark of intervals that reach beyond the bounds of the number, where the table has the mark."""
    return [Text(BEYOND_BOUND_NOTE)] if table.contains(BEYOND_BOUND) else []


def _single_weights_table(part: pd.DataFrame) -> Table:
    """Tabulate accuracies of single weights, whose compression is no speed-up."""
    header = ("keep", "criterion", "n", *NAMES.values(), "weights kept", "params kept", "compression", "evidence")
    rows = tuple(
        (
            *_accuracy_cells(row),
            *(percent(row["keep_weights"], 2), percent(row["keep_params"], 2), as_multiple(row["compression"])),
            row["evidence"],
        )
        for row in part.to_dict("records")
    )
    return Table(f"{ACCURACY}. Single weights: no speed-up on dense kernels.", header, rows, text_columns=2)


def _accuracy_cells(row: dict[Any, Any]) -> list[str]:
    cells = [f"{row['keep']:g}", row["criterion"], _seed_count(row["n"])]
    return cells + [accuracy_with_half(row[name], row[f"{name}_half"]) for name in NAMES]


def _accuracy_row(row: dict[Any, Any], measured: bool) -> list[str]:
    cells = _accuracy_cells(row)
    cells += [percent(row["keep_macs"], 1), as_multiple(row["theoretical"])]
    if measured and is_missing(row["measured"]):
        cells += ["not timed", "not timed"]
    elif measured:
        fewer = f" (n = {row['measured_n']:g})" if row["measured_n"] != row["n"] else ""
        noisy = " ‡" if row["noisy"] else ""
        cells += [as_multiple(row["measured"], row["measured_half"]) + fewer + noisy, f"{row['efficiency']:.2f}{noisy}"]
    return [*cells, percent(row["keep_params"], 1), as_multiple(row["compression"]), row["evidence"]]


def _difference_blocks(part: pd.DataFrame, ranking: str) -> list[Part]:
    pairs = sorted(
        set(zip(part["reference_ranking"], part["reference"], strict=True)),
        key=lambda pair: (table_order(pair[1]), pair),
    )
    names = [f"to {name}" + ("" if where == ranking else f" ({where})") for where, name in pairs]
    rows = []
    for (keep, criterion), group in part.groupby(["keep", "criterion"], sort=False):
        found = {(r["reference_ranking"], r["reference"]): r for r in group.to_dict("records")}
        cells = [f"{keep:g}", str(criterion), _range_of_counts([r["n"] for r in found.values()])]
        cells += [difference_cell(found[pair]) if pair in found else _absent(criterion, pair[1]) for pair in pairs]
        rows.append(tuple(cells))
    header = ("keep", "criterion", "pairs", *names)
    caption = (
        "Difference of the fine-tuned accuracy in points, over the seeds that both have, with its 95 % t interval."
    )
    table = Table(caption, header, tuple(rows), text_columns=2)
    blocks: list[Part] = [table]
    if table.contains("†"):
        blocks.append(Text(f"† achieved keeps differ by more than {KEEP_TOLERANCE:g}: not the same budget."))
    return blocks


def _absent(criterion: object, reference: str) -> str:
    return "-" if criterion == reference else MISSING


def _seed_count(n: int) -> str:
    return "1 (no interval)" if n == 1 else str(n)


def _range_of_counts(counts: list[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
