from types import SimpleNamespace

import pytest

from prunebench.records.record import Record, WeightCount
from prunebench.reports.results import gather_results
from prunebench.reports.sections.layer_weights import layer_tables
from prunebench.reports.sections.model_table import model_section
from prunebench.reports.tables.layer_weights import NUMBERS, layer_weights_table
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
    text = make.text(model_section(table, layer_weights_table(gather_results("x", records))))
    assert "mnist x lenet5 | - | dense | 2 | 1,000 | 100.0 % | 1.00x | 10 | 1.00 % | 1.01x" in text
    assert "mnist x lenet5 | 0.5 MACs | l1 | 2 | 400 | 40.0 % | 2.50x | 200 | 50.00 % | 5.00x" in text


def test_a_network_of_zeros_has_no_ratio_and_older_records_have_no_table(make: SimpleNamespace) -> None:
    empty = layer_weights_table(gather_results("x", []))
    text = make.text(model_section(weights_table(gather_results("x", [counted(make, 0, 400)])), empty))
    assert "n/a" in text and "by layer are not stored" in text
    assert model_section(weights_table(gather_results("x", make.grid(("l1",), (0,)))), empty).why_empty


def test_layers_dense_beside_pruned(make: SimpleNamespace) -> None:
    dense = WeightCount(weights=1000, near_zero=10, layers={"conv": (200, 10), "fc": (800, 0)})
    owns = [WeightCount(weights=500, near_zero=z, layers={"conv": (100, z), "fc": (400, 0)}) for z in (20, 40)]
    records = [
        make.record("l1", seed, keep).model_copy(update={"weight_counts": (dense, own)})
        for seed, own in enumerate(owns)
        for keep in (0.5, 0.25)
    ]
    records += [make.record("obd", 0, 0.25).model_copy(update={"weight_counts": (dense, dense)})]
    table = layer_weights_table(gather_results("x", [*records, counted(make, 9, 5), make.record("taylor")]))
    assert table[["keep", "criterion", "layer", "n"]].to_numpy().tolist() == [
        *([0.5, "l1", "conv", 2], [0.5, "l1", "fc", 2], [0.25, "l1", "conv", 2], [0.25, "l1", "fc", 2]),
        *([0.25, "obd", "conv", 1], [0.25, "obd", "fc", 1]),
    ]
    assert table[NUMBERS].to_numpy().tolist()[0] == [200, 10, 100, 30, 0.3, 200 / 70]
    (found,) = layer_tables(table)
    assert found.header == ("layer", "dense", "l1", "obd") and found.folded and "keep 0.25 MACs" in found.caption
    assert found.rows == (
        ("conv", "200 · 5.0 %", "100 · 30.0 % · 2.86x", "200 · 5.0 % · 1.05x"),
        ("fc", "800 · 0.0 %", "400 · 0.0 % · 2.00x", "800 · 0.0 % · 1.00x"),
    )


def test_layers_must_add_up() -> None:
    with pytest.raises(ValueError, match=r"layers: \(90, 1\) weights and near zero, but \(100, 1\) in all"):
        WeightCount(weights=100, near_zero=1, layers={"conv": (90, 1)})
