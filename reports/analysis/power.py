"""How many seeds would tell a difference, from the spread that was observed."""

import pandas as pd

from prunebench.reports.analysis.family import ALPHA
from prunebench.reports.statistics.power import detectable, sd_interval, seeds_for_exact, seeds_needed

POWER = 0.8
COLUMNS = ["task", "ranking", "metric", "keep", "criterion", "reference", "n", "sd", "seeds"]


def power_table(differences: pd.DataFrame, difference: float, power: float = POWER) -> pd.DataFrame:
    """One row per primary contrast with two seeds or more: the seeds that would find a true `difference` (a fraction).

    differences: as `differences_table` makes it. sd: standard deviation of the paired differences, with its 95 %
    chi-square interval sd_low, sd_high: from few seeds it is hardly known. seeds: for the paired t test at Holm's first
    step (0.05 / family) and the given power, not fewer than the exact test needs to be able to reject (exact_seeds);
    seeds_low, seeds_high: the same at the ends of the interval of sd; seeds_observed: for the difference that was
    observed; detectable: the smallest difference that the n seeds find with that power. Missing: more than 10,000.
    """
    rows = []
    primary = differences[differences["primary"] & (differences["n"] > 1)] if len(differences) else differences
    for row in primary.to_dict("records"):
        alpha, exact = ALPHA / row["family"], seeds_for_exact(int(row["family"]), ALPHA)
        spread = sd_interval(float(row["sd"]), int(row["n"]))
        wanted = {
            name: _at_least(exact, seeds_needed(gap, sd, power, alpha))
            for name, gap, sd in (
                ("seeds", difference, spread.mean),
                ("seeds_low", difference, spread.low),
                ("seeds_high", difference, spread.high),
                ("seeds_observed", abs(float(row["difference"])), spread.mean),
            )
            if sd is not None
        }
        found = {name: row[name] for name in COLUMNS[:7]} | {"family": row["family"], "sd": spread.mean}
        found |= {"sd_low": spread.low, "sd_high": spread.high, "exact_seeds": exact, "difference": difference}
        found |= {"power": power, **wanted, "observed": row["difference"]}
        rows.append(found | {"detectable": detectable(int(row["n"]), spread.mean, power, alpha)})
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def _at_least(exact: int, seeds: int | None) -> int | None:
    return None if seeds is None else max(exact, seeds)
