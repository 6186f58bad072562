from types import SimpleNamespace

import pytest

from prunebench.records.sparse import PushedUnits
from prunebench.reports.results import gather_results
from prunebench.reports.tables.records import records_table


def test_one_row_per_record_with_ratios_by_hand(make: SimpleNamespace) -> None:
    frame = records_table(gather_results("x", [make.record(keep=0.25, accuracy=0.9)]))
    row = frame.iloc[0]
    # widths 10 25 250 10: 576*25*10 + 64*25*10*25 + 16*25*250 + 250*10 = 646,500 of 2,293,000 MACs
    assert (row["macs_pruned"], row["macs_dense"]) == (646_500, 2_293_000)
    assert row["theoretical"] == pytest.approx(2_293_000 / 646_500)
    # 26*10 + 251*25 + 401*250 + 251*10 = 109,295 of 431,080 parameters
    assert row["compression"] == pytest.approx(431_080 / 109_295)
    assert row["keep_macs"] == pytest.approx(646_500 / 2_293_000)
    assert (row["accuracy_finetuned"], row["evidence"], row["floors"]) == (0.9, "weight", "none")
    assert "top5_dense" not in frame


def test_rows_are_sorted_without_looking_at_results(make: SimpleNamespace) -> None:
    records = [make.record(c, s, k) for k in (0.25, 0.5) for s in (1, 0) for c in ("random", "taylor", "magnitude")]
    frame = records_table(gather_results("x", records))
    assert frame["keep"].tolist() == [0.5] * 6 + [0.25] * 6
    assert frame["criterion"].tolist()[:6] == ["magnitude"] * 2 + ["taylor"] * 2 + ["random"] * 2
    assert frame["seed"].tolist()[:2] == [0, 1]


def test_no_records_give_an_empty_table(make: SimpleNamespace) -> None:
    assert len(records_table(gather_results("x", [make.failure()]))) == 0


def test_pushed_units_and_gates_have_columns(make: SimpleNamespace) -> None:
    gates = {"conv1": (1, *[0] * 8, 19), "conv2": (0, 50, *[0] * 8)}
    record = make.record("l0")
    record = record.model_copy(
        update={
            "sparse": record.sparse.model_copy(update={"gates": gates}),
            "pushed": PushedUnits(units=70, pushed=35, cut=30, both=20),
        }
    )
    row = records_table(gather_results("x", [record])).iloc[0]
    assert [row[f"gates_to_{tenth}_tenths"] for tenth in range(1, 11)] == [1, 50, *[0] * 7, 19]
    assert (row["pushing_units"], row["pushing_pushed"], row["pushing_cut"], row["pushing_both"]) == (70, 35, 30, 20)


def test_the_options_of_the_protocol_have_columns(make: SimpleNamespace) -> None:
    records = [make.record("taylor", 0, protocol={"rung": 0.8}), make.record("taylor", 1, protocol={"repair": "bias"})]
    table = records_table(gather_results("x", records))
    assert dict(zip(table["seed"], table["protocol_repair"], strict=True)) == {0: "none", 1: "bias"}
    assert table["protocol_rung"].isna().tolist() == [False, True]
    options = [name for name in table if str(name).startswith("protocol_")]
    assert options.index("protocol_optimiser") < options.index("protocol_rung") < options.index("protocol_repair")
