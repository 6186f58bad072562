"""The sections behind the comparison: what went wrong, where units were taken, and what it cost."""

from collections import defaultdict

import pandas as pd

from prunebench.records.record import Record
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import counted, difference_cell, duration, seed_ranges
from prunebench.reports.grid import METRIC_WORDS, POINT_COLUMNS
from prunebench.reports.points import distinct_seeds, group_by_point
from prunebench.reports.results import Results
from prunebench.reports.sections.comparison import PANEL, rows_below_random
from prunebench.reports.tables.widths import emptied, grouped


def below_random_section(results: Results, differences: pd.DataFrame) -> Section:
    """Every criterion and keep whose mean lies below that of random units, with the layers it emptied."""
    groups = grouped(results)
    rows = []
    for row in rows_below_random(differences):
        task, ranking, metric, keep, criterion = (row[name] for name in POINT_COLUMNS)
        records = groups[task, ranking, metric, keep, criterion]
        reference = groups[task, row["reference_ranking"], metric, keep, "random"]
        where = (task, ranking, f"{keep:g} {METRIC_WORDS[metric]}", criterion)
        rows.append((*where, difference_cell(row), _why(records, reference)))
    if not rows:
        compared = len(differences) > 0 and bool((differences["reference"] == "random").any())
        if not compared:
            return Section("Below random", (), "`random` was not run: not known.")
        return Section("Below random", (Text("No criterion's mean lies below that of `random`."),))
    header = ("task", "ranking", "keep", "criterion", "difference to random", "what it did to the layers")
    caption = "Mean fine-tuned accuracy below that of random units, in points over the shared seeds."
    return Section("Below random", (Table(caption, header, tuple(rows), left=6),))


def _why(records: list[Record], reference: list[Record]) -> str:
    widths = {record.cell.seed: record.left for record in reference}
    if all(record.left == widths.get(record.cell.seed, record.left) for record in records):
        return "same widths as random: the choice of units"
    return emptied(records)


def widths_section(widths: pd.DataFrame) -> Section:
    """Mean widths per layer; criteria with the same widths share a column."""
    if not len(widths):
        return Section("Widths per layer", (), "No point came out.")
    tables = []
    for (task, ranking, metric, keep), part in widths.groupby([*PANEL, "keep"], sort=False):
        columns: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for criterion, own in part.groupby("criterion", sort=False):
            cells = [_width(w, floor) for w, floor in zip(own["width"], own["at_floor"], strict=True)]
            columns[tuple(cells)].append(str(criterion))
        layers = part.drop_duplicates("layer")
        names = ["all criteria"] if len(columns) == 1 else [", ".join(names) for names in columns.values()]
        stacked = zip(layers["layer"], map(str, layers["dense"]), *columns, strict=True)
        caption = f"{task}, {ranking} ranking, keep {keep:g} {METRIC_WORDS[metric]}"
        tables.append(Table(caption, ("layer", "dense", *names), tuple(stacked), folded=True))
    text = (
        "Output units of every layer (its weights, where single ones were pruned), mean over seeds; * the layer stands "
        "at its floor in at least one of them."
    )
    return Section("Widths per layer", (Text(text), *tables))


def _width(width: float, at_floor: int) -> str:
    return f"{width:.1f}".removesuffix(".0") + ("*" if at_floor else "")


def repeated_sections(results: Results) -> list[Section]:
    """Name the criteria whose seeds are copies of each other, if there are any."""
    repeated: dict[str, dict[str, None]] = defaultdict(dict)
    for point, found in group_by_point(results).items():
        if len(distinct_seeds(found)) < len(found):
            repeated[point.task][f"`{point.criterion}`"] = None
    if not repeated:
        return []
    text = (
        "Nothing that a seed draws plays a part for these: every seed gives the same network and the same answers. "
        "Between them the seeds count as one."
    )
    lines = tuple(f"{task}: {', '.join(names)}" for task, names in repeated.items())
    return [Section("Seeds that repeat one computation", (Text(text), Items(lines)))]


def sparse_section(results: Results) -> Section:
    """Sparse training whose term fell by less than 5 %: its strength did nothing."""
    flagged: dict[tuple[str, str], set[int]] = defaultdict(set)
    trained: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in results.records:
        if record.sparse is not None:
            cell = (results.tasks[record.key], record.cell.criterion)
            trained[cell].add(record.cell.seed)
            if record.sparse.ineffective:
                flagged[cell].add(record.cell.seed)
    title = "Ineffective sparse training"
    if not trained:
        return Section(title, (), "No network here was trained with a regulariser.")
    tuned = _tuned(results)
    if not flagged:
        return Section(title, (Text("None: every regulariser's term fell by 5 % or more."), *tuned))
    lines = [
        f"{criterion} on {task}: seed {seed_ranges(found)} ({len(found)} of {len(trained[task, criterion])})"
        for (task, criterion), found in flagged.items()
    ]
    text = "The term fell by less than 5 %: at its strength the regulariser did nothing, so these are the score alone."
    return Section(title, (Text(text), Items(tuple(lines)), *tuned))


def _tuned(results: Results) -> tuple[Text | Items, ...]:
    """Say which strengths `prunebench tune` chose."""
    known = {
        f"{r.cell.criterion} on {results.tasks[r.key]}: strength {r.strength:g}{_trials(results, r)}"
        for r in results.records
        if r.strength is not None
    }
    return (Text("Strengths that were tuned on validation pictures:"), Items(tuple(sorted(known)))) if known else ()


def _trials(results: Results, record: Record) -> str:
    """Say what it took to choose a strength, where the source has it."""
    cell = record.cell
    wanted = (f"{cell.dataset} x {cell.model}", cell.criterion, record.strength, cell.metric == "weights")
    for one in results.tunings:
        if (one.task, one.criterion, one.strength, one.metric == "weights") == wanted:
            tried = f"{counted(len(one.validation), 'strength')} in {counted(one.trials, 'trial')}"
            warning = ", at an end of the range" * one.at_an_end
            warning += ", where the term hardly fell" * (one.strength in one.ineffective)
            return f", the best of {tried}, {duration(one.seconds)} of training{warning}"
    return ""


def failures_section(results: Results) -> Section:
    """Cells that failed, with the reason, and cells that were asked for and are not there."""
    blocks: list[Text | Items] = []
    if results.failures:
        lines = [f"{_cell(record, results)}: {record.reason or 'no reason given'}" for record in results.failures]
        blocks += [
            Text(f"{counted(len(lines), 'cell')} failed; the others do not depend on this."),
            Items(tuple(lines)),
        ]
    lacking: dict[str, set[int]] = defaultdict(set)
    for c in results.missing:
        lacking[f"{c.task}, {c.ranking} ranking, keep {c.keep:g} {METRIC_WORDS[c.metric]}, {c.criterion}"].add(c.seed)
    if lacking:
        text = "Asked for, but not run (the same command again computes what is missing):"
        blocks += [Text(text), Items(tuple(f"{where}: seed {seed_ranges(found)}" for where, found in lacking.items()))]
    none = "None: every cell that was asked for came out." if results.asked else "No cell failed."
    return Section("Failures and gaps", tuple(blocks) or (Text(none),))


def _cell(record: Record, results: Results) -> str:
    cell = record.cell
    task = results.tasks[record.key]
    return f"{task}, {cell.ranking} ranking, {cell.criterion}, seed {cell.seed}, keep {cell.keep:g} {METRIC_WORDS[cell.metric]}"
