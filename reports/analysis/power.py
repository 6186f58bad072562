"""Seeds that would find a difference declared beforehand, from the observed spread."""

import pandas as pd

from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.statistics.joint_power import detectable_difference, seeds_to_decide

POWER = 0.8
TAKEN = [*POINT_COLUMNS, "reference", "n", "sd", "sd_low", "sd_high", "family"]  # from the differences
COLUMNS = [*POINT_COLUMNS, "reference", "n", "sd", "seeds"]


def power_table(differences: pd.DataFrame, difference: float, power: float = POWER) -> pd.DataFrame:
    """One row per primary contrast with two seeds or more: the seeds that find a true `difference` (a fraction).

    differences: as `differences_table`. sd: of the paired differences; few seeds hardly determine it.
    seeds: for the joint test of the contrast's family and the given power, if differences are normal. seeds_low,
    seeds_high: the same at the ends of the interval of sd. They are missing where they exceed 10,000. detectable: the
    smallest difference that the n seeds find with that power; missing where n cannot reject. The difference is declared
    beforehand: seeds for the observed one would say nothing that its p does not.
    """
    rows = []
    primary = differences[differences["primary"] & (differences["n"] > 1)] if len(differences) else differences
    for row in primary.to_dict("records"):
        family = int(row["family"])
        wanted = {
            name: seeds_to_decide(difference, row[sd], family, power)
            for name, sd in (("seeds", "sd"), ("seeds_low", "sd_low"), ("seeds_high", "sd_high"))
        }
        found = {name: row[name] for name in TAKEN} | {
            "difference": difference,
            "power": power,
            **wanted,
            "detectable": detectable_difference(int(row["n"]), row["sd"], family, power),
        }
        rows.append(found)
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)
