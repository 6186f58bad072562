from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.reports.analysis.causes import causes_table, parts_without_pair
from prunebench.reports.results import gather_results


def cause(table: pd.DataFrame, name: str, criterion: str, ranking: str = "local") -> pd.DataFrame:
    same = (table["cause"] == name) & (table["criterion"] == criterion) & (table["ranking"] == ranking)
    return table[same]


def test_each_cause_has_its_own_control(make: SimpleNamespace) -> None:
    names = ("taylor", "l1", "random", "scratch:taylor", "dense_continued", "shuffle:l1")
    records = make.grid(names, range(3), (0.5,)) + make.grid(("taylor", "shuffle:taylor"), range(3), (0.5,), "global")
    table = causes_table(gather_results("x", records))
    assert cause(table, "units", "taylor")["reference"].tolist() == ["random"]
    assert cause(table, "units", "l1")["reference"].tolist() == ["shuffle:l1"]
    assert cause(table, "units", "taylor", "global")["reference"].tolist() == ["shuffle:taylor"]
    assert cause(table, "weights", "l1")["reference"].tolist() == ["scratch:taylor"]  # local: all widths are equal
    assert not len(cause(table, "weights", "taylor", "global"))
    pruning = cause(table, "pruning", "taylor", "global").iloc[0]
    assert (pruning["reference"], pruning["reference_ranking"]) == ("dense_continued", "local")
    allocation = cause(table, "allocation", "taylor", "global").iloc[0]
    assert (allocation["reference"], allocation["reference_ranking"]) == ("taylor", "local")
    assert table["cause"].drop_duplicates().tolist() == ["units", "weights", "pruning", "training", "allocation"]


def test_random_blocks_and_those_of_a_criterion_are_not_of_one_size(make: SimpleNamespace) -> None:
    records = make.grid(("taylor", "fpgm", "random", "scratch:taylor"), range(3), (0.5,))
    blocks = [r.model_copy(update={"protocol": r.protocol | {"units": "blocks"}}) for r in records]
    assert len(cause(causes_table(gather_results("x", records)), "units", "taylor")) == 1
    table = causes_table(gather_results("x", blocks))
    assert not len(cause(table, "units", "taylor")) and not len(cause(table, "weights", "fpgm"))
    assert cause(table, "weights", "taylor")["reference"].tolist() == ["scratch:taylor"]


def test_random_is_no_shuffle_for_a_criterion_with_sparse_training(make: SimpleNamespace) -> None:
    table = causes_table(gather_results("x", make.grid(("l1", "random"), range(2), (0.5,))))
    assert not len(table)


def test_pruning_and_training_add_up_to_the_change(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "dense_continued"), range(4), (0.5,))
    table = causes_table(gather_results("x", records))
    parts = [
        cause(table, *names).iloc[0]["difference"]
        for names in (("pruning", "magnitude"), ("training", "dense_continued"))
    ]
    change = [r.accuracy.finetuned - r.accuracy.dense for r in records if r.cell.criterion == "magnitude"]
    assert sum(parts) == pytest.approx(sum(change) / 4)


def test_a_combination_stands_against_its_parts(make: SimpleNamespace) -> None:
    def finetuned(name: str) -> float:
        return float(sum(r.accuracy.finetuned for r in records if r.cell.criterion == name) / 3)

    records = make.grid(("reg_obd", "hsqgl12", "obd"), range(3), (0.5,))
    found = cause(causes_table(gather_results("x", records)), "combination", "reg_obd")
    assert found["reference"].tolist() == ["hsqgl12", "obd"]
    assert found["difference"].tolist() == pytest.approx(
        [finetuned("reg_obd") - finetuned(part) for part in ("hsqgl12", "obd")]
    )
    assert not list(parts_without_pair(gather_results("x", records)))


def test_parts_that_are_missing_are_named(make: SimpleNamespace) -> None:
    records = make.grid(("reg_obd", "l1+taylor"), (0, 1), (0.5,)) + make.grid(("obd",), (2,), (0.5,))
    records += make.grid(("magnitude", "shuffle:reg_obd"), (0, 1), (0.5,)) + make.grid(("taylor",), (1,), (0.5,))
    found = parts_without_pair(gather_results("x", [*records, make.failure("l1", 0, 0.5)]))
    assert {(point.criterion, part, why) for point, part, why in found} == {
        ("reg_obd", "hsqgl12", "was not run"),
        ("reg_obd", "obd", "has no seed in common"),
        ("l1+taylor", "l1", "failed"),
    }


def test_units_of_a_sparse_trained_criterion_need_a_shuffle_of_their_own(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "random", "l1"), (0, 1), (0.5,))
    found = parts_without_pair(gather_results("x", records))
    assert [(point.criterion, part, why) for point, part, why in found] == [("l1", "shuffle:l1", "was not run")]
    shuffled = make.grid(("shuffle:l1",), (0, 1), (0.5,))
    assert not list(parts_without_pair(gather_results("x", [*records, *shuffled])))
    assert not list(parts_without_pair(gather_results("x", make.grid(("magnitude", "l1"), (0, 1), (0.5,)))))
