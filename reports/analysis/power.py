"""Seeds that would decide a difference, from the observed spread."""

import pandas as pd

from prunebench.reports.analysis.verdicts import ALPHA
from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.statistics.sign_flip_power import detectable_difference, seeds_to_decide
from prunebench.reports.statistics.t_test_power import fewest_seeds_to_reject

POWER = 0.8
TAKEN = [*POINT_COLUMNS, "reference", "n", "sd", "sd_low", "sd_high", "family"]  # from the differences
COLUMNS = [*POINT_COLUMNS, "reference", "n", "sd", "seeds"]


def power_table(differences: pd.DataFrame, difference: float, power: float = POWER) -> pd.DataFrame:
    """One row per primary contrast with two seeds or more: the seeds that find a true `difference` (a fraction).

    differences: as `differences_table`. sd: of the paired differences; few seeds hardly determine it.
    seeds: for the sign-flip test at Holm's first step (0.05 / family) and the given power, if differences are normal.
    seeds_low, seeds_high: the same at the ends of the interval of sd. seeds_observed: the same for the observed
    difference. All are missing where they exceed 10,000. exact_seeds: the fewest with which the test can reject at all.
    detectable: the smallest difference that the n seeds find with that power; missing where n cannot reject.
    """
    rows = []
    primary = differences[differences["primary"] & (differences["n"] > 1)] if len(differences) else differences
    for row in primary.to_dict("records"):
        alpha = ALPHA / row["family"]
        wanted = {
            name: seeds_to_decide(gap, sd, power, alpha)
            for name, gap, sd in (
                ("seeds", difference, row["sd"]),
                ("seeds_low", difference, row["sd_low"]),
                ("seeds_high", difference, row["sd_high"]),
                ("seeds_observed", abs(float(row["difference"])), row["sd"]),
            )
        }
        found = {name: row[name] for name in TAKEN} | {
            "exact_seeds": fewest_seeds_to_reject(int(row["family"]), ALPHA),
            "difference": difference,
            "power": power,
            **wanted,
            "observed": row["difference"],
            "detectable": detectable_difference(int(row["n"]), row["sd"], power, alpha),
        }
        rows.append(found)
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)
