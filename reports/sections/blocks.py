"""The section on the residual blocks that were removed."""

from collections import Counter

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.language.message import joined, say
from prunebench.reports.points import Point, RecordBySeed
from prunebench.reports.protocols import of_blocks
from prunebench.reports.results import Results
from prunebench.reports.row_text import keep_of_metric

TITLE = say("Residual blocks removed")


def blocks_section(results: Results) -> Section:
    """Tabulate which blocks each point lost, and in how many of its seeds."""
    points = [(point, seeds) for point, seeds in results.points.items() if any(map(of_blocks, seeds.values()))]
    if not points:
        return Section(TITLE, (), say("No residual blocks were removed."))
    header = (say("task"), say("keep"), say("criterion"), say("seeds"), say("residual blocks removed"))
    text = say("In brackets: in how many of the seeds a block went. A block without brackets went in all.")
    rows = tuple(_row(point, seeds) for point, seeds in points)
    return Section(TITLE, (Text(text), Table("", header, rows, 5)))


def _row(point: Point, seeds: RecordBySeed) -> tuple[str, ...]:
    lost = Counter(block for record in seeds.values() for block in record.blocks)
    told = [name if count == len(seeds) else f"{name} ({count})" for name, count in sorted(lost.items())]
    where = point.task, keep_of_metric(point._asdict()), point.criterion, str(len(seeds))
    return *where, joined(told) if told else say("none")
