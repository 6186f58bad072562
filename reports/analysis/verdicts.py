"""The declared families of tests, their joint test, and the verdicts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunebench.reports.ordering import KEEP_TOLERANCE
from prunebench.reports.statistics.joint_sign_flips import joint_sign_flips
from prunebench.reports.statistics.multiplicity import holm

ALPHA = 0.05

BETTER, WORSE, OPEN = "better", "worse", "undecided"
TOO_FEW = "too few seeds"  # no outcome of so many seeds could have decided the test
TIED = "too few seeds differ"  # there are seeds enough; those without a difference count for nothing
OTHER_BUDGET = "different budgets"
NO_PAIRS = "no shared seed"


class Contrast(NamedTuple):
    """A row of a table, and its differences by seed, fractions."""

    row: dict[str, Any]
    by_seed: Mapping[int, float]


def judge_families(contrasts: Sequence[Contrast], lost: Mapping[tuple[str, str], int] | None = None) -> None:
    """Correct the primary rows and add their verdicts, in place. contrasts: all of a report.

    A family is the primary contrasts of one task and ranking: at every keep, and over the curves. It follows from the
    criteria and keeps that were asked for, never from results. lost: by task and ranking, the primary contrasts that
    have no row, as their points failed or were not computed.

    Added columns: family: its size. p_adjusted: p of `joint_sign_flips`; never below `smallest_p`. Where contrasts of
    the family could not be tested, p_adjusted is multiplied by family size / tested. seeds_needed: the fewest that can
    decide then. verdict: `better` or `worse` where p_adjusted <= 0.05, otherwise the reason why neither.
    on_these_pictures: whether the interval over
    seeds and pictures contains zero although there is such a verdict.
    """
    families: dict[tuple[str, str], list[Contrast]] = {}
    for one in contrasts:
        if one.row["primary"]:
            families.setdefault((one.row["task"], one.row["ranking"]), []).append(one)
    for key, declared in families.items():
        family = [one for one in declared if "p" in one.row]
        size = len(declared) + (lost or {}).get(key, 0)
        factor = size / len(family) if family else 1.0
        budgets = [(one.row["metric"], one.row.get("keep")) for one in family]
        for one, p in zip(family, joint_sign_flips(_matrix(family), budgets) if family else (), strict=True):
            one.row.update({"family": size, "p_adjusted": min(1.0, p * factor), "seeds_needed": fewest_seeds(factor)})
            one.row["verdict"] = _verdict(one.row, factor)
            one.row["on_these_pictures"] = _on_these_pictures(one.row)
    for one in contrasts:
        if one.row["primary"] and "verdict" not in one.row:
            one.row["verdict"] = _why_untested(one.row) or TOO_FEW


def add_holm(rows: Iterable[dict[str, Any]], name: str = "p", adjusted: str = "p_holm") -> None:
    """Adjust the p in column `name` of all rows that have the column, as one family. The result is `adjusted`."""
    tested = [row for row in rows if name in row]
    for row, p in zip(tested, holm([row[name] for row in tested]), strict=True):
        row[adjusted] = p


def _matrix(family: Sequence[Contrast]) -> NDArray[np.float64]:
    """Put differences side by side, (contrasts, seeds); a missing pair is NaN."""
    seeds = sorted({seed for one in family for seed in one.by_seed})
    return np.array([[one.by_seed.get(seed, np.nan) for seed in seeds] for one in family])


def fewest_seeds(factor: float = 1.0) -> int:
    """Give the fewest seeds whose smallest possible p, times a factor, reaches the level.

    >>> fewest_seeds(), fewest_seeds(2.0)
    (6, 7)
    """
    return math.ceil(1 + math.log2(factor / ALPHA))


def _verdict(row: dict[str, Any], factor: float) -> str:
    if other := _why_untested(row):
        return other
    if row["p_adjusted"] <= ALPHA:
        return BETTER if row["difference"] > 0 else WORSE
    if row["n"] < row["seeds_needed"]:
        return TOO_FEW
    return TIED if row["smallest_p"] * factor > ALPHA else OPEN


def _on_these_pictures(row: dict[str, Any]) -> bool:
    low, high = row.get("crossed_low"), row.get("crossed_high")
    return row["verdict"] in (BETTER, WORSE) and low is not None and high is not None and low <= 0 <= high


def _why_untested(row: dict[str, Any]) -> str | None:
    if row["n"] == 0:
        return NO_PAIRS
    return OTHER_BUDGET if abs(row["keep_gap"]) > KEEP_TOLERANCE else None
