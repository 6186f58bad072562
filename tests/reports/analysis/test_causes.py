from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.reports.analysis.causes import causes_table
from prunebench.reports.results import gather


def cause(table: pd.DataFrame, name: str, criterion: str, ranking: str = "local") -> pd.DataFrame:
    same = (table["cause"] == name) & (table["criterion"] == criterion) & (table["ranking"] == ranking)
    return table[same]


def test_each_cause_has_its_own_control(make: SimpleNamespace) -> None:
    names = ("taylor", "l1", "random", "scratch:taylor", "dense_continued", "shuffle:l1")
    records = make.grid(names, range(3), (0.5,)) + make.grid(("taylor", "shuffle:taylor"), range(3), (0.5,), "global")
    table = causes_table(gather("x", records))
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


def test_random_is_no_shuffle_for_a_criterion_with_sparse_training(make: SimpleNamespace) -> None:
    table = causes_table(gather("x", make.grid(("l1", "random"), range(2), (0.5,))))
    assert not len(table)


def test_pruning_and_training_add_up_to_the_change(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "dense_continued"), range(4), (0.5,))
    table = causes_table(gather("x", records))
    parts = [
        cause(table, *names).iloc[0]["difference"]
        for names in (("pruning", "magnitude"), ("training", "dense_continued"))
    ]
    change = [r.accuracy.finetuned - r.accuracy.dense for r in records if r.cell.criterion == "magnitude"]
    assert sum(parts) == pytest.approx(sum(change) / 4)
