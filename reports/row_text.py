"""Rows of the tables as a reader sees them. A row is a dict by column name."""

from collections.abc import Mapping, Sequence
from typing import Any

from prunebench.reports.analysis.crossed import CRITERION, RANKING
from prunebench.reports.analysis.decomposition import HIGHER, RESIDUAL, SEED, TIMES
from prunebench.reports.analysis.verdicts import BETTER, NO_PAIRS, OPEN, OTHER_BUDGET, TIED, TOO_FEW, WORSE
from prunebench.reports.formatting import is_missing, signed_interval
from prunebench.reports.language.message import Message, joined, marked, say, say_many
from prunebench.reports.ordering import DENSE_CONTINUED, KEEP_TOLERANCE, METRIC_WORDS
from prunebench.reports.statistics.intervals import Interval

VERDICTS = {
    BETTER: say("better"),
    WORSE: say("worse"),
    OPEN: say("undecided"),
    TOO_FEW: say("too few seeds"),
    OTHER_BUDGET: say("different budgets"),
    NO_PAIRS: say("no shared seed"),
}

SOURCES = {
    CRITERION: say("criterion"),
    RANKING: say("ranking"),
    "repair": say("repair"),
    "finetune_epochs": say("fine-tuning"),
    HIGHER: say("higher interactions"),
    SEED: say("seed"),
    RESIDUAL: say("residual"),
}

SHORT = METRIC_WORDS | {"macs": "MACs"}  # an abbreviation in every language, as units are


def row_interval(row: dict[Any, Any], mean: str = "difference", prefix: str = "") -> Interval:
    """Give the interval that a table's row holds in the columns n, `mean`, low and high, each after `prefix`."""
    low, high = (None if is_missing(row[prefix + end]) else float(row[prefix + end]) for end in ("low", "high"))
    return Interval(int(row[f"{prefix}n"]), float(row[prefix + mean]), low, high)


def difference_cell(row: dict[Any, Any]) -> str:
    """Write one row of the differences in points. A dagger marks achieved keeps that differ; see also `tie_note`."""
    if row["n"] == 0:
        return VERDICTS[NO_PAIRS]
    gap = row.get("keep_gap", 0.0)
    differ = not is_missing(gap) and abs(gap) > KEEP_TOLERANCE and row["reference"] != DENSE_CONTINUED
    return marked(marked(signed_interval(row_interval(row)), tie_note(row)), "†" if differ else "")


def verdict_cell(row: dict[Any, Any]) -> str:
    """Write a verdict, and whether it holds for these test pictures only.

    >>> verdict_cell({"verdict": "too few seeds differ", "n": 6, "ties": 1})
    'undecided: 5 of 6 seeds differ, too few'
    >>> verdict_cell({"verdict": "better", "on_these_pictures": True}), verdict_cell({"verdict": "too few seeds"})
    ('better, on these test pictures', 'too few seeds')
    """
    if row["verdict"] == TIED:  # a seed without a difference counts for nothing
        n, ties = int(row["n"]), int(row["ties"])
        return say("undecided: {differ} of {seeds} seeds differ, too few", differ=n - ties, seeds=n)
    verdict = VERDICTS[row["verdict"]]
    here = row.get("on_these_pictures") is True
    return say("{verdict}, on these test pictures", verdict=verdict) if here else verdict


def tie_note(row: dict[Any, Any]) -> str:
    """Say how many seeds tie, where half or more do but not all: then the interval covers too little.

    >>> tie_note({"n": 20, "ties": 14}), tie_note({"n": 20, "ties": 9}), tie_note({"n": 3, "ties": 3})
    ('(14 of 20 tie)', '', '')
    """
    n, tied = row["n"], row.get("ties", 0)
    return say("({tied} of {seeds} tie)", tied=format(tied, "g"), seeds=format(n, "g")) if n > tied >= n / 2 else ""


def setting_text(setting: Sequence[object]) -> Message:
    """Name where and how networks were timed. setting: machine, backend, batch and threads.

    >>> setting_text(("Xeon", "eager", 64, 1))
    'Xeon (eager, batch 64, 1 thread)'
    """
    machine, backend, batch, threads = setting
    return say_many(
        "{machine} ({backend}, batch {batch}, {number} thread)",
        "{machine} ({backend}, batch {batch}, {number} threads)",
        int(str(threads)),
        machine=machine,
        backend=backend,
        batch=batch,
    )


def keep_of_metric(row: Mapping[Any, Any]) -> Message:
    """Write a row's requested keep with its metric.

    >>> keep_of_metric({"keep": 0.5, "metric": "macs"})
    '0.5 MACs'
    """
    return say("{keep} {metric}", keep=format(row["keep"], "g"), metric=SHORT[row["metric"]])


def source_name(source: str) -> str:
    """Name a source of variance; options without a word of their own stand as they are asked for.

    >>> source_name("finetune_epochs x repair"), source_name("rung_epochs, rung_step")
    ('fine-tuning × repair', '--rung-epochs, --rung-step')
    """
    if source in SOURCES:
        return SOURCES[source]
    parts = [joined(map(_choice, part.split(", "))) for part in source.split(TIMES)]
    return joined(parts, " × ")


def _choice(name: str) -> str:
    return SOURCES.get(name) or f"--{name.replace('_', '-')}"
