from types import SimpleNamespace

from prunebench.records.record import Record
from prunebench.reports.document import Table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.blocks import blocks_section
from prunebench.reports.tables.records import records_table


def shallow(make: SimpleNamespace, criterion: str, seed: int, *blocks: str) -> Record:
    """A point that lost residual blocks."""
    record: Record = make.record(criterion, seed, protocol={"epochs": 30, "units": "blocks"}, blocks=blocks)
    return record


def test_each_point_names_the_blocks_it_lost_and_in_how_many_seeds(make: SimpleNamespace) -> None:
    results = gather_results(
        "x",
        [
            shallow(make, "taylor", 0, "layer1.0", "layer2.1"),
            shallow(make, "taylor", 1, "layer2.1"),
            shallow(make, "magnitude", 0),
        ],
    )
    _, table = blocks_section(results).blocks
    assert isinstance(table, Table)
    task = "mnist x lenet5, residual blocks"
    assert table.rows == (
        (task, "0.5 MACs", "magnitude", "1", "none"),
        (task, "0.5 MACs", "taylor", "2", "layer1.0 (1), layer2.1"),
    )
    assert records_table(results)["blocks"].tolist() == ["none", "layer1.0, layer2.1", "layer2.1"]


def test_blocks_and_filters_are_two_tasks(make: SimpleNamespace) -> None:
    results = gather_results("x", [shallow(make, "taylor", 0, "a"), make.record("taylor", 1)])
    assert set(results.tasks.values()) == {"mnist x lenet5", "mnist x lenet5, residual blocks"}
    assert not results.notes


def test_a_report_of_filters_says_nothing_of_blocks(make: SimpleNamespace) -> None:
    results = gather_results("x", [make.record("taylor")])
    assert blocks_section(results).why_empty and "blocks" not in records_table(results)
