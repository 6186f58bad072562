"""How many seeds would tell a difference, from the spread that was observed."""

import pandas as pd

from prunebench.reports.analysis.family import ALPHA
from prunebench.reports.statistics.sign_flip_power import detectable_difference, seeds_to_decide
from prunebench.reports.statistics.t_test_power import fewest_seeds_to_reject

POWER = 0.8
COLUMNS = ["task", "ranking", "metric", "keep", "criterion", "reference", "n", "sd", "seeds"]


def power_table(differences: pd.DataFrame, difference: float, power: float = POWER) -> pd.DataFrame:
    """One row per primary contrast with two seeds or more: the seeds that would find a true `difference` (a fraction).

    differences: as `differences_table` makes it. sd: of the paired differences, from few seeds hardly known. seeds: for
    the sign-flip test at Holm's first step (0.05 / family) and the given power, if differences are normal; exact_seeds:
    the fewest with which it can reject at all; seeds_low, seeds_high: as seeds, at the ends of the interval of sd;
    seeds_observed: for the difference that was observed. Missing: more than 10,000. detectable: the smallest difference
    that the n seeds find with that power; missing where they are too few to reject.
    """
    rows = []
    primary = differences[differences["primary"] & (differences["n"] > 1)] if len(differences) else differences
    for row in primary.to_dict("records"):
        alpha, exact = ALPHA / row["family"], fewest_seeds_to_reject(int(row["family"]), ALPHA)
        wanted = {
            name: seeds_to_decide(gap, sd, power, alpha)
            for name, gap, sd in (
                ("seeds", difference, row["sd"]),
                ("seeds_low", difference, row["sd_low"]),
                ("seeds_high", difference, row["sd_high"]),
                ("seeds_observed", abs(float(row["difference"])), row["sd"]),
            )
        }
        found = {name: row[name] for name in (*COLUMNS[:8], "sd_low", "sd_high", "family")}
        found |= {"exact_seeds": exact, "difference": difference, "power": power, **wanted}
        found |= {"observed": row["difference"]}
        rows.append(found | {"detectable": detectable_difference(int(row["n"]), row["sd"], power, alpha)})
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)
