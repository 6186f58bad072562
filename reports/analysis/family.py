"""The declared family of tests, its correction, and what may be said afterwards."""

from collections.abc import Iterable, Sequence
from typing import Any

from prunebench.reports.grid import KEEP_TOLERANCE
from prunebench.reports.statistics.multiplicity import holm

ALPHA = 0.05

BETTER, WORSE, OPEN = "better", "worse", "not told apart"
TOO_FEW = "too few seeds"  # whatever the seeds had given, the test could not have decided
TIED = "too many ties"  # the seeds would do, but those that differ at all are too few
OTHER_BUDGET = "different budgets"
NO_PAIRS = "no shared seed"


def judge_families(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Correct the primary rows and say what they show; `rows` are those of one task, metric and keep.

    A family is the primary contrasts of one task, ranking, metric and keep that were tested: what one reads together to
    choose a criterion at a budget. It follows from the criteria that were asked for, never from results. Added to its
    rows: family: how many; p_holm: adjusted (Holm 1979); smallest_holm: the smallest that the seeds that do not tie
    can give; verdict: `better` or `worse` where p_holm <= 0.05, otherwise why not.
    """
    tested = [row for row in rows if row["primary"] and "p" in row]
    for ranking in dict.fromkeys(row["ranking"] for row in tested):
        family = [row for row in tested if row["ranking"] == ranking]
        add_holm(family)
        smallest, untied = holm([r["smallest_p"] for r in family]), holm([2.0 ** (1 - r["n"]) for r in family])
        for row, least, design in zip(family, smallest, untied, strict=True):
            row |= {"family": len(family), "smallest_holm": least, "verdict": _verdict(row, least, design)}
    for row in rows:
        if row["primary"] and "verdict" not in row:
            row["verdict"] = _untested(row) or TOO_FEW
    return list(rows)


def _verdict(row: dict[str, Any], smallest: float, untied: float) -> str:
    """Say what a tested row shows. smallest: the least p_holm that is possible; untied: the same without ties."""
    if other := _untested(row):
        return other
    if row["p_holm"] <= ALPHA:
        return BETTER if row["difference"] > 0 else WORSE
    if untied > ALPHA:
        return TOO_FEW
    return TIED if smallest > ALPHA else OPEN


def _untested(row: dict[str, Any]) -> str | None:
    if row["n"] == 0:
        return NO_PAIRS
    return OTHER_BUDGET if abs(row["keep_gap"]) > KEEP_TOLERANCE else None


def add_holm(rows: Iterable[dict[str, Any]], name: str = "p") -> None:
    """Add `p_holm` to all rows that have the p of that name, as one family."""
    tested = [row for row in rows if name in row]
    for row, p in zip(tested, holm([row[name] for row in tested]), strict=True):
        row["p_holm"] = p
