"""The declared families of tests, their correction, and the verdicts."""

from collections.abc import Iterable, Sequence
from typing import Any

from prunebench.reports.ordering import KEEP_TOLERANCE
from prunebench.reports.statistics.multiplicity import holm

ALPHA = 0.05

BETTER, WORSE, OPEN = "better", "worse", "not told apart"
TOO_FEW = "too few seeds"  # no outcome of so many seeds could have decided the test
TIED = "too many ties"  # there are seeds enough, but too few of them differ
OTHER_BUDGET = "different budgets"
NO_PAIRS = "no shared seed"


def judge_families(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Correct the primary rows and add their verdicts. rows: of one task, metric and keep.

    A family is the tested primary contrasts of one task, ranking, metric and keep: these are read together to choose a
    criterion at a budget. The family follows from the criteria that were asked for, never from results.

    Added columns: family: its size. p_holm: adjusted p (Holm 1979). smallest_holm: the smallest p_holm that the seeds
    without ties can give. verdict: `better` or `worse` where p_holm <= 0.05, otherwise the reason why neither.
    """
    tested = [row for row in rows if row["primary"] and "p" in row]
    for ranking in dict.fromkeys(row["ranking"] for row in tested):
        family = [row for row in tested if row["ranking"] == ranking]
        add_holm(family)
        for row in family:
            row["family"] = len(family)
        add_holm(family, "smallest_p", "smallest_holm")
        untied = holm([2.0 ** (1 - row["n"]) for row in family])
        for row, least in zip(family, untied, strict=True):
            row["verdict"] = _verdict(row, least)
    for row in rows:
        if row["primary"] and "verdict" not in row:
            row["verdict"] = _why_untested(row) or TOO_FEW
    return list(rows)


def add_holm(rows: Iterable[dict[str, Any]], name: str = "p", adjusted: str = "p_holm") -> None:
    """Adjust the p in column `name` of all rows that have the column, as one family. The result is `adjusted`."""
    tested = [row for row in rows if name in row]
    for row, p in zip(tested, holm([row[name] for row in tested]), strict=True):
        row[adjusted] = p


def _verdict(row: dict[str, Any], untied: float) -> str:
    """Give the verdict of a tested row. untied: the smallest p_holm that so many seeds give without ties."""
    if other := _why_untested(row):
        return other
    if row["p_holm"] <= ALPHA:
        return BETTER if row["difference"] > 0 else WORSE
    if untied > ALPHA:
        return TOO_FEW
    return TIED if row["smallest_holm"] > ALPHA else OPEN


def _why_untested(row: dict[str, Any]) -> str | None:
    if row["n"] == 0:
        return NO_PAIRS
    return OTHER_BUDGET if abs(row["keep_gap"]) > KEEP_TOLERANCE else None
