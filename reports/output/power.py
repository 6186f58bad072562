"""The text of `prunebench power`: the seeds that would find a difference declared beforehand."""

from typing import Any

from prunebench.errors import UserError
from prunebench.records.requested import FEWEST_SEEDS
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.analysis.power import power_table
from prunebench.reports.document import Document, Section, Table, Text
from prunebench.reports.formatting import is_missing
from prunebench.reports.results import Results
from prunebench.reports.row_text import keep_of_metric

HEADER = ("task", "ranking", "keep", "criterion", "against", "n", "sd", "seeds", "detectable now")
NOTE = (
    "sd: standard deviation of the paired differences in points, with its 95 % interval. seeds: that find a true "
    "difference of {difference:g} points with a power of {power:.0%}, by the joint sign-flip test of all contrasts of "
    "the task and ranking, if differences are normal and the others have none; in brackets at the ends of the interval "
    "of sd. Declare the difference before looking at results. detectable now: the smallest difference, in points, that "
    "the n seeds find with this power; none: fewer than {fewest} seeds can never give a verdict."
)


def power_document(results: Results, difference: float, power: float) -> Document:
    """Say for every primary contrast how many seeds would find a true `difference` (a fraction).

    power: a probability. Raises `UserError` where no contrast has two seeds: then the spread is unknown.
    """
    table = power_table(differences_table(results), difference, power)
    if not len(table):
        needed = "run `magnitude` and another criterion on two common seeds or more"
        raise UserError(f"{results.source}: no spread to estimate from; {needed}")
    rows = tuple(_row(row) for row in table.to_dict("records"))
    note = NOTE.format(difference=100 * difference, power=power, fewest=FEWEST_SEEDS)
    sections = (Section("Seeds needed", (Text(note), Table("", HEADER, rows, text_columns=5))),)
    return Document("Power", (), (("source", results.source),), sections)


def _row(row: dict[Any, Any]) -> tuple[str, ...]:
    where = (row["task"], row["ranking"], keep_of_metric(row), row["criterion"], row["reference"])
    sd = f"{100 * row['sd']:.2f} [{100 * row['sd_low']:.2f}, {100 * row['sd_high']:.2f}]"
    seeds = f"{_seed_count(row['seeds'])} [{_seed_count(row['seeds_low'])}, {_seed_count(row['seeds_high'])}]"
    found = "none" if is_missing(row["detectable"]) else f"{100 * row['detectable']:.2f}"
    return (*where, str(row["n"]), sd, seeds, found)


def _seed_count(value: float | None) -> str:
    return "> 10,000" if value is None or is_missing(value) else f"{value:,.0f}"
