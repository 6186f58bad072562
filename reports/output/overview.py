"""The tables that a terminal shows after a run, and again by `prunebench show RESULTS`."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from statistics import fmean
from typing import Any

import pandas as pd
from tabulate import tabulate

from prunebench.reports.analysis.pairing import paired_differences
from prunebench.reports.formatting import (
    BEYOND_BOUND,
    accuracy_with_half,
    as_multiple,
    counted,
    percent,
    seed_ranges,
    signed_interval,
)
from prunebench.reports.named import Named
from prunebench.reports.ordering import BASELINE, METRIC_WORDS, cost_metric
from prunebench.reports.output.commands import as_given, gave_networks, is_called
from prunebench.reports.output.fidelity import FIDELITY_NOTE, fidelity_panels
from prunebench.reports.output.speed import speed_notes, speed_panels
from prunebench.reports.points import PANEL_COLUMNS, POINT_COLUMNS, Point, dense_accuracy
from prunebench.reports.protocols import repair_suffix
from prunebench.reports.results import Results
from prunebench.reports.sections.reestimated import spoilt_lines
from prunebench.reports.selecting import name_point
from prunebench.reports.statistics.intervals import t_interval
from prunebench.reports.tables.records import records_table
from prunebench.reports.tables.speed import speed_table
from prunebench.reports.tables.summary import summary_table

WIDTH = 100
WIDEST_NAME, WIDEST_DIFFERENCE = 22, 23  # characters; longer cells are broken, so that a table fits into 100 columns
NOTE = (
    "accuracy: {trained}, %, mean ± half of the 95 % t interval over n seeds; to {baseline}: paired\n"
    "difference in points with its 95 % interval; compression: parameters, dense / pruned\n"
    "verdicts: prunebench report"
)
WIDEST_HEADER = 12  # of the table of fidelity
WIDEST_NAMES = 22  # of the criteria that share a row of the table of speed
FAILED = 3  # most failures whose reason is shown
WIDE_NOTE = f"{BEYOND_BOUND}: the interval reaches beyond 0 or 100 %"
DEMONSTRATION = "Demonstration, not evidence: a toy task, or fewer than three seeds."


def overview(results: Results, hint: bool = True) -> str:
    """Write one plain table for each task, ranking and metric, at most 100 columns wide.

    hint: whether to say how one point is shown and exported.
    """
    tables = [f"{title}\n\n{_table(rows, 'simple')}" for title, rows in _panels(results)]
    scored = [f"{title}\n\n{_fidelity_table(rows, 'simple')}" for title, rows in fidelity_panels(results)]
    notes = [_notes("\n".join(tables), results)] if tables else []
    speed = [f"{title}\n\n{_speed_table(rows, 'simple')}" for title, rows in speed_panels(results)]
    lines = [*tables, *notes, *speed, *scored, *([FIDELITY_NOTE] if scored else [])]
    lines += [textwrap.fill(line, WIDTH, break_on_hyphens=False) for line in _remarks(results)]
    if hint and results.records:
        source, first = shlex.quote(results.source), results.records[0]
        named = name_point(first, results)
        lines.append(f"one point: prunebench show {source} {named}\nits network: {_network_hint(named, results)}")
    priced = len(results.prices) + len(results.repair_prices) + len(results.growth)
    nothing = f"costs alone: prunebench report {results.source}" if priced else "no point is finished"
    return "\n\n".join(lines) or nothing


def _network_hint(named: Named, results: Results) -> str:
    """Write the command that exports a network, or the call that loads it where a Python program made the run.

    The networks of such a run may be objects, which no shell has.
    """
    if is_called(results):
        metric, _, fraction = named.keep.rpartition("=")
        keep = f"{{{metric!r}: {fraction}}}" if metric else fraction
        texts = {name: value for name, value in vars(named).items() if value and name not in ("keep", "seed")}
        words = [*(f"{name}={value!r}" for name, value in texts.items()), f"keep={keep}", f"seed={named.seed}"]
        words += ["model=network"] * gave_networks(results)
        return f"prunebench.Results.read({results.source!r}).network({', '.join(words)}) in Python"
    model = results.records[0].cell.model  # one's own is only allowed by its name
    allowed = replace(named, model=as_given(model, results)) if ":" in model else named
    return f"prunebench export {shlex.quote(results.source)} {allowed} --to FOLDER"


def overview_html(results: Results) -> str:
    """Write the same for a notebook."""
    tables = [f"<h4>{escape(title)}</h4>{_table(rows, 'html')}" for title, rows in _panels(results)]
    notes = [_notes("".join(tables), results)] if tables else []
    tables += [f"<h4>{escape(title)}</h4>{_speed_table(rows, 'html')}" for title, rows in speed_panels(results)]
    scored = [f"<h4>{escape(title)}</h4>{_fidelity_table(rows, 'html')}" for title, rows in fidelity_panels(results)]
    tables, notes = [*tables, *scored], [*notes, *([FIDELITY_NOTE] if scored else [])]
    return "".join([*tables, *(f"<p>{escape(line)}</p>" for line in (*notes, *_remarks(results)))])


def _remarks(results: Results) -> list[str]:
    lines = [f"Check this first: {line}" for line in spoilt_lines(results)]
    lines += speed_notes(speed_table(results))
    lines += [DEMONSTRATION] * results.demonstration
    lines += [*results.notes, *results.fidelity_notes]
    counts = [(len(results.failures), "failed"), (len(results.missing), "not computed yet")]
    if any(number for number, _ in counts):
        lines.append("; ".join(f"{counted(number, 'point')} {what}" for number, what in counts if number))
    failures = sorted(results.failures, key=lambda one: (one.cell.criterion, one.cell.seed, -one.cell.keep))
    for one in failures[:FAILED]:
        lines.append(f"{one.cell.criterion}, keep {one.cell.keep:g}, seed {one.cell.seed}, failed: {one.reason}")
    more = len(failures) - FAILED
    if more > 0:
        lines.append(f"{counted(more, 'failed point')} more: prunebench show {shlex.quote(results.source)} --points")
    return lines


def _notes(tables: str, results: Results) -> str:
    note = NOTE.format(baseline=BASELINE, trained="without training" if results.untrained else "fine-tuned")
    return f"{note}\n{WIDE_NOTE}" if BEYOND_BOUND in tables else note


def _panels(results: Results) -> Iterator[tuple[str, list[list[str]]]]:
    """Give the title and rows, the header first, of each task, ranking and metric."""
    if results.records:
        summary = summary_table(records_table(results), speed_table(results), None)
        for _, part in summary.groupby(PANEL_COLUMNS, sort=False):
            yield _panel(results, part)


def _panel(results: Results, part: pd.DataFrame) -> tuple[str, list[list[str]]]:
    rows = part.to_dict("records")
    task, ranking, metric = (str(rows[0][name]) for name in PANEL_COLUMNS)
    seeds = seed_ranges(int(seed) for row in rows for seed in str(row["seeds"]).split())
    dense = percent(_dense(results, (task, ranking, metric)))
    title = f"{task} | {ranking} ranking | keeps of {METRIC_WORDS[metric]} | seeds {seeds} | dense {dense}"
    title += repair_suffix(one for one in results.records if results.tasks[one.key] == task)
    cost = cost_metric(metric)
    header = ["keep", "criterion", "n", "accuracy", f"to {BASELINE}", f"{METRIC_WORDS[cost]} kept", "compression"]
    return title, [header, *(_row(row, results, cost) for row in rows)]


def _dense(results: Results, panel: tuple[str, str, str]) -> float:
    """Mean accuracy of a panel's dense networks, each seed once: criteria may have different seeds."""
    ours = [seeds for point, seeds in results.points.items() if point[: len(panel)] == panel]
    by_seed = {seed: dense_accuracy(record) for seeds in ours for seed, record in seeds.items()}
    return fmean(by_seed.values())


def _table(rows: list[list[str]], kind: str) -> str:
    return tabulate(
        [[row[0], broken_name(row[1]), *row[2:]] for row in rows] if kind == "simple" else rows,
        "firstrow",
        kind,
        disable_numparse=True,
        colalign=["left", "left", *["right"] * 5],
        maxcolwidths=[None, None, None, None, WIDEST_DIFFERENCE, None, None] if kind == "simple" else None,
    )


def _speed_table(rows: list[list[str]], kind: str) -> str:
    broken = [[row[0], textwrap.fill(row[1], WIDEST_NAMES), *row[2:]] for row in rows] if kind == "simple" else rows
    return tabulate(broken, "firstrow", kind, disable_numparse=True, colalign=["left", "left", *["right"] * 5])


def _fidelity_table(rows: list[list[str]], kind: str) -> str:
    head = [textwrap.fill(name, WIDEST_HEADER) for name in rows[0]]
    narrow = [head, *([broken_name(name), *rest] for name, *rest in rows[1:])] if kind == "simple" else rows
    return tabulate(narrow, "firstrow", kind, disable_numparse=True, colalign=["left", *["right"] * 5])


def broken_name(name: str) -> str:
    r"""Break a long name of a criterion into lines, behind its signs, so that no number is torn.

    >>> broken_name("group_lasso:strength=0.003+obd").splitlines()
    ['group_lasso:', 'strength=0.003+obd']
    """
    lines = [""]
    for part in re.findall(r"[^:+,]*[:+,]|[^:+,]+", name):
        if lines[-1] and len(lines[-1]) + len(part) > WIDEST_NAME:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _row(row: dict[Any, Any], results: Results, cost: str) -> list[str]:
    accuracy = accuracy_with_half(row["accuracy_finetuned"], row["accuracy_finetuned_half"])
    where = [f"{row['keep']:g}", str(row["criterion"]), str(row["n"]), accuracy, _difference(row, results)]
    return [*where, percent(row[f"keep_{cost}"], 1), as_multiple(row["compression"])]


def _difference(row: dict[Any, Any], results: Results) -> str:
    ours = Point(*(row[name] for name in POINT_COLUMNS))
    reference = results.points.get(ours._replace(criterion=BASELINE))
    if ours.criterion == BASELINE or reference is None:
        return "-"
    found = paired_differences(results.points[ours], reference)
    return signed_interval(t_interval(found)) if len(found) else "no shared seed"
