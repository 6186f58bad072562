"""The sections of evidence: what caused what, what was without loss, whole curves, and fronts."""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from prunebench.reports.analysis.causes import CAUSES
from prunebench.reports.analysis.margins import CONTINUED, DENSE
from prunebench.reports.document import Block, Items, Section, Table, Text
from prunebench.reports.formatting import MISSING, accuracy_with_half, difference_cell, percent, signed_points
from prunebench.reports.grid import METRIC_WORDS
from prunebench.reports.points import Point
from prunebench.reports.sections.comparison import bound_note

MEANING = {
    "units": "units: X against random units in the same widths (`shuffle:X`; under `local` ranking also `random`)",
    "weights": "weights: X against the same widths with fresh weights, trained for the whole budget (`scratch:X`)",
    "pruning": "pruning: X against the network that was not pruned but trained as long (`dense_continued`)",
    "training": "training: `dense_continued` against the dense network it began with, what the extra epochs gave alone",
    "allocation": "allocation: X against X under `local` ranking, the same score with other widths",
    "combination": "combination: A+B against A and B alone; against the part with the regulariser: what the other's "
    "score did; against that other: what the regulariser did",
}
AGAINST = {
    DENSE: "against the dense network before pruning",
    CONTINUED: "against the dense network trained as long (`dense_continued`)",
}


def causes_section(causes: pd.DataFrame, unpaired: Iterable[tuple[Point, str, str]] = ()) -> Section:
    """Separation of causes: for each, the range of differences in words, then the table; then parts that are missing.

    unpaired: as `causes.parts_without_pair`.
    """
    title = "Separation of causes"
    paired = causes[causes["n"] > 0]
    missing = tuple(_missing(unpaired))
    gaps: list[Block] = []
    if missing:
        gaps = [Text("Comparisons that are lacking:"), Items(missing)]
    if not len(paired):
        why = "No control was run that would separate causes."
        return Section(title, (Text(why), *gaps)) if gaps else Section(title, (), why)
    lines = []
    for (task, ranking, cause), part in paired.groupby(["task", "ranking", "cause"], sort=False):
        lines.append(f"{task}, {ranking} ranking, {cause}: {_range(part)}")
    rows = tuple(
        (r["task"], r["ranking"], r["cause"], r["criterion"], _reference(r), _keep(r), str(r["n"]), difference_cell(r))
        for r in paired.to_dict("records")
    )
    header = ("task", "ranking", "cause", "criterion", "reference", "keep", "n", "difference in points")
    meaning = tuple(MEANING[cause] for cause in CAUSES if cause in set(paired["cause"]))
    table = Table("Paired, with 95 % t interval; not corrected for many comparisons.", header, rows, 6, folded=True)
    return Section(title, (Items(meaning), Items(tuple(lines)), *gaps, table))


def _missing(unpaired: Iterable[tuple[Point, str, str]]) -> Iterator[str]:
    keeps: dict[tuple[Point, str, str], list[str]] = {}
    for point, part, why in unpaired:
        keeps.setdefault((point._replace(keep=0.0), part, why), []).append(f"{point.keep:g}")
    for (point, part, why), found in keeps.items():
        where = f"{point.task}, {point.ranking} ranking, keep {', '.join(found)} {METRIC_WORDS[point.metric]}"
        yield f"{where}: `{point.criterion}` is not compared with `{part}`, which {why}"


def _range(part: pd.DataFrame) -> str:
    low, high = signed_points(part["difference"].min()), signed_points(part["difference"].max())
    tested = part[part["high"] > part["low"]]  # differences that are all equal have no interval worth the name
    above, below = int((tested["low"] > 0).sum()), int((tested["high"] < 0).sum())
    span = f"{low} points" if len(part) == 1 else f"{low} to {high} points over {len(part)} cells"
    if not len(tested):
        return f"{span}; one seed, or all equal: no interval"
    if len(tested) == 1:
        return f"{span}; its interval {'lies above' if above else 'lies below' if below else 'contains'} zero"
    return f"{span}; of {len(tested)} intervals {above} above zero, {below} below"


def _reference(row: dict[Any, Any]) -> str:
    return f"{row['reference']}" + (
        "" if row["reference_ranking"] == row["ranking"] else f" ({row['reference_ranking']})"
    )


def _keep(row: dict[Any, Any]) -> str:
    return f"{row['keep']:g} {METRIC_WORDS[row['metric']]}"


def margins_section(margins: pd.DataFrame, held: pd.DataFrame, demonstration: bool) -> Section:
    """'Without loss': the smallest keep at which each criterion is non-inferior, then every keep."""
    title = "Without loss of accuracy"
    if demonstration or not len(held):
        why = "a demonstration makes no such claim" if demonstration else "nothing to test"
        return Section(title, (), f"Not tested: {why}.")
    margin = 100 * float(held["margin"].iloc[0])
    text = (
        f"Non-inferior: the 95 % interval of the paired difference lies above -{margin:g} points, a margin to be "
        "chosen before looking (`--margin`). A difference that is merely not significant would not show it. Keeps are "
        "tested from the largest down, and the first that fails, or of which a seed did not come out, ends it."
    )
    blocks: list[Block] = [Text(text)]
    lines = [
        f"{task}, {ranking} ranking, {AGAINST[str(reference)]}: {_held(part)}."
        for (task, ranking, _, reference), part in held.groupby(["task", "ranking", "metric", "reference"], sort=False)
    ]
    return Section(title, (*blocks, Items(tuple(lines)), _margins_table(margins)))


def _held(part: pd.DataFrame) -> str:
    rows = part.to_dict("records")
    if all(row["n"] < 2 for row in rows):
        return "one seed shows nothing"
    lowest: dict[str, list[str]] = {}
    for row in rows:
        lowest.setdefault(_down_to(row), []).append(f"`{row['criterion']}`")
    return "; ".join(f"{where}: {', '.join(names)}" for where, names in lowest.items())


def _down_to(row: dict[Any, Any]) -> str:
    if pd.isna(row["smallest_keep"]) and not pd.isna(row["failed_at"]):
        return f"at no keep, seeds failed at {row['failed_at']:g}"
    if pd.isna(row["smallest_keep"]):
        return "at no keep"
    return f"down to keep {row['smallest_keep']:g} ({percent(1 - row['params_kept'], 0)} of the parameters removed)"


def _margins_table(margins: pd.DataFrame) -> Table:
    rows = tuple(
        (
            *(r["task"], r["ranking"], r["criterion"], _keep(r), r["reference"], str(r["n"]), difference_cell(r)),
            *(_flag(r["noninferior"]), _p(r["p_noninferior"]), _flag(r["equivalent"])),
        )
        for r in margins.to_dict("records")
    )
    header = (
        *("task", "ranking", "criterion", "keep", "reference", "n", "difference in points"),
        *("non-inferior", "p", "equivalent"),
    )
    caption = (
        "equivalent: the whole interval lies within the margin, on both sides. p: one-sided t test, not corrected."
    )
    return Table(caption, header, rows, left=5, folded=True)


def areas_section(areas: pd.DataFrame) -> Section:
    """Show the area under each accuracy-compression curve."""
    title = "Whole curves"
    if not len(areas):
        return Section(title, (), "One keep makes no curve.")
    rows = []
    for r in areas.to_dict("records"):
        paired = not pd.isna(r.get("reference"))
        mean = accuracy_with_half(r["area"], r["area_half"])
        where = (r["task"], r["ranking"], r["criterion"], str(r["seeds"]), mean)
        rows.append((*where, str(r["reference"]) if paired else MISSING, difference_cell(r) if paired else MISSING))
    ends = ", ".join(
        f"{task}: {percent(part['from_keep'].iloc[0], 1)} to {percent(part['to_keep'].iloc[0], 1)}"
        for task, part in areas.groupby("task", sort=False)
    )
    text = (
        "The accuracy averaged over the logarithm of the MACs kept (single weights: of the weights kept), over the "
        f"range that all criteria of a task reached ({ends}): one number for all keeps, at equal achieved ones."
    )
    header = ("task", "ranking", "criterion", "seeds", "mean accuracy", "reference", "difference in points")
    table = Table("Mean over seeds ± half of the 95 % t interval.", header, tuple(rows), 3)
    return Section(title, (Text(text), table, *bound_note(table)))


def fronts_section(fronts: pd.DataFrame) -> Section:
    """List the points that nothing else beats, for every cost."""
    title = "Pareto fronts"
    if not len(fronts):
        return Section(title, (), "There is nothing to compare.")
    rows = tuple(
        (
            r["task"],
            r["cost"],
            percent(r["kept"], 1),
            f"{r['criterion']}, {r['ranking']}",
            accuracy_with_half(r["accuracy"], None),
        )
        for r in fronts[fronts["on_front"]].to_dict("records")
    )
    text = "By means over seeds: neighbours on a front need not differ. Unpruned and fresh networks are left out."
    header = ("task", "cost", "kept", "criterion, ranking", "accuracy in %")
    return Section(title, (Text(text), Table("Points that no other beats in accuracy and cost.", header, rows, 2)))


def _flag(value: Any) -> str:
    return MISSING if value is None or pd.isna(value) else ("yes" if value else "no")


def _p(value: Any) -> str:
    return MISSING if value is None or pd.isna(value) else f"{value:.3g}"
