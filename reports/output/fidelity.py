"""What `prunebench show` says of fidelity: how far the scores agree with the true change of the loss."""

from collections.abc import Iterator

from prunebench.reports.analysis.fidelity import fidelity_table
from prunebench.reports.answer.fidelity import agreement_table
from prunebench.reports.formatting import seed_ranges
from prunebench.reports.protocols import repair_suffix
from prunebench.reports.results import Results

SHOWN = ("criterion", "n", "Spearman", "lowest quarter", "all layers: Spearman", "time")  # what fits into a terminal
FIDELITY_NOTE = (
    "fidelity: agreement of scores with the true change of the loss when one unit or block is removed,\n"
    "within layers and over all layers; lowest quarter: share of the truly lowest that scores find;\n"
    "time: of one scoring; marks (*, †, §): prunebench report"
)


def fidelity_panels(results: Results) -> Iterator[tuple[str, list[list[str]]]]:
    """Give the title and rows, the header first, of each task whose scores were compared with the oracle."""
    for task, part in fidelity_table(results).groupby("task", sort=False):
        table = agreement_table(str(task), part)
        found = [one for one in results.fidelity if results.fidelity_tasks[one.key] == task]
        seeds = seed_ranges({one.cell.seed for one in found})
        places = [table.header.index(name) for name in SHOWN]
        rows = [[row[place] for place in places] for row in (table.header, *table.rows)]
        yield f"{task} | fidelity | seeds {seeds}{repair_suffix(found)}", rows
