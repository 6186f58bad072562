from types import SimpleNamespace

from prunebench.reports.results import gather_results
from prunebench.reports.tables.stages import stages_table


def test_one_dense_training_per_block(make: SimpleNamespace) -> None:
    table = stages_table(gather_results("x", make.grid(seeds=range(3)))).set_index("stage")
    assert table.loc["dense", ["blocks", "runs", "points"]].tolist() == [3, 3, 42]
    assert table.loc["dense", "seconds"] == 7.50 + 7.51 + 7.52
    assert table.loc["finetune", "runs"] == table.loc["rung", "runs"] == 42


def test_a_second_dense_training_in_a_block_is_seen(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), (0,), (0.5,))
    environment = records[1].environment.model_copy(update={"seconds": {"dense": 8.0}})
    records[1] = records[1].model_copy(update={"environment": environment})
    table = stages_table(gather_results("x", records)).set_index("stage")
    assert table.loc["dense", ["blocks", "runs"]].tolist() == [1, 2]


def test_records_without_an_environment(make: SimpleNamespace) -> None:
    assert len(stages_table(gather_results("x", [make.record(environment=None)]))) == 0
