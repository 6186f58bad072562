from types import SimpleNamespace

from prunebench.records.record import Record, WeightCount
from prunebench.reports.results import gather_results
from prunebench.reports.sections.model_table import model_section
from prunebench.reports.tables.weights import weights_table


def counted(make: SimpleNamespace, seed: int, near_zero: int, criterion: str = "l1") -> Record:
    pair = (WeightCount(weights=1000, near_zero=10), WeightCount(weights=400, near_zero=near_zero))
    record: Record = make.record(criterion, seed)
    return record.model_copy(update={"weight_counts": pair})


def test_weights_zeros_and_ratios(make: SimpleNamespace) -> None:
    records = [counted(make, 0, 100), counted(make, 1, 300), make.record("taylor")]
    table = weights_table(gather_results("x", records))
    assert table["criterion"].tolist() == ["dense", "l1"] and table["n"].tolist() == [2, 2]
    columns = ["weights", "kept", "compression", "near_zero", "near_zero_share", "compression_nonzero"]
    assert table[columns].to_numpy().tolist() == [
        [1000, 1, 1, 10, 0.01, 1000 / 990],
        [400, 0.4, 2.5, 200, 0.5, 5],
    ]
    text = make.text(model_section(table))
    assert "mnist x lenet5 | - | dense | 2 | 1,000 | 100.0 % | 1.00x | 10 | 1.00 % | 1.01x" in text
    assert "mnist x lenet5 | 0.5 MACs | l1 | 2 | 400 | 40.0 % | 2.50x | 200 | 50.00 % | 5.00x" in text


def test_a_network_of_zeros_has_no_ratio_and_older_records_have_no_table(make: SimpleNamespace) -> None:
    assert "n/a" in make.text(model_section(weights_table(gather_results("x", [counted(make, 0, 400)]))))
    assert model_section(weights_table(gather_results("x", make.grid(("l1",), (0,))))).why_empty
