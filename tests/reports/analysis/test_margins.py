from types import SimpleNamespace

import pandas as pd
import pytest
from scipy import stats

from prunebench.records.record import StageValues
from prunebench.reports.analysis.margins import failed_points, margins_table, smallest_keeps_table
from prunebench.reports.results import gather_results


def scores(dense: float, finetuned: float) -> StageValues:
    return StageValues(dense=dense, cut=0.1, cut_bn=0.1, finetuned=finetuned)


def records(make: SimpleNamespace, criterion: str, keep: float, changes: tuple[float, ...]) -> list[object]:
    return [
        make.record(criterion, seed, keep, accuracy=None).model_copy(update={"accuracy": scores(0.9, 0.9 + d)})
        for seed, d in enumerate(changes)
    ]


def test_no_loss_is_an_interval_above_the_margin(make: SimpleNamespace) -> None:
    close, scattered = (-0.001, 0.001, 0.0, 0.001, -0.001), (-0.03, 0.03, 0.0, 0.02, -0.02)
    made = records(make, "taylor", 0.5, close) + records(make, "obd", 0.5, scattered)
    table = margins_table(gather_results("x", made), 0.005).set_index("criterion")
    assert table.loc["taylor", ["noninferior", "equivalent"]].tolist() == [True, True]
    assert table.loc["obd", ["noninferior", "equivalent"]].tolist() == [False, False]  # not significant, not shown
    assert table.loc["taylor", "low"] == pytest.approx(-2.776445 * 0.001 / 5**0.5)


def test_against_the_network_trained_as_long(make: SimpleNamespace) -> None:
    made = records(make, "taylor", 0.5, (0.001, 0.0, 0.002)) + records(
        make, "dense_continued", 0.5, (0.02, 0.021, 0.02)
    )
    table = margins_table(gather_results("x", made), 0.005)
    assert table["criterion"].unique().tolist() == ["taylor"]
    assert dict(zip(table["reference"], table["noninferior"], strict=True)) == {"dense": True, "dense_continued": False}


def test_the_smallest_keep_stops_at_the_first_failure(make: SimpleNamespace) -> None:
    fine, bad = (0.001, 0.0, 0.002), (-0.1, -0.11, -0.1)
    made = [
        r for keep, d in ((0.75, fine), (0.5, fine), (0.25, bad), (0.1, fine)) for r in records(make, "taylor", keep, d)
    ]
    made += records(make, "obd", 0.75, bad) + records(make, "l1", 0.75, (0.1,))
    table = smallest_keeps_table(margins_table(gather_results("x", made)), []).set_index("criterion")
    assert (table.loc["taylor", "smallest_keep"], table.loc["taylor", "tested_to"]) == (0.5, 0.1)
    kept = next(r for r in made if r.cell.keep == 0.5).keep["params"]  # type: ignore[attr-defined]
    assert table.loc["taylor", "params_kept"] == pytest.approx(kept)
    assert pd.isna(table.loc["obd", "smallest_keep"]) and pd.isna(table.loc["l1", "smallest_keep"])
    assert table.loc["l1", "n"] == 1


def test_a_keep_that_did_not_come_out_is_not_stepped_over(make: SimpleNamespace) -> None:
    fine = (0.001, 0.0, 0.002)
    made = [r for c in ("taylor", "obd", "l1") for k in (0.5, 0.25) for r in records(make, c, k, fine)]
    made = [r for r in made if (r.cell.criterion, r.cell.keep) != ("l1", 0.5)]  # type: ignore[attr-defined]
    made += [make.failure("obd", seed=3, keep=0.25), make.failure("l1", seed=0, keep=0.5)]
    results = gather_results("x", made)
    table = smallest_keeps_table(margins_table(results), failed_points(results)).set_index("criterion")
    assert table.loc["taylor", "smallest_keep"] == 0.25 and pd.isna(table.loc["taylor", "failed_at"])
    assert (table.loc["obd", "smallest_keep"], table.loc["obd", "failed_at"]) == (0.5, 0.25)
    assert pd.isna(table.loc["l1", "smallest_keep"]) and table.loc["l1", "failed_at"] == 0.5


def test_seeds_that_lost_more_than_the_margin_are_counted(make: SimpleNamespace) -> None:
    changes = (0.001, -0.005, 0.002, -0.0051, 0.003, -0.03)  # one on the margin, two beyond
    made = margins_table(gather_results("x", records(make, "taylor", 0.5, changes)), 0.005)
    assert made["lost"].tolist() == [2]
    assert made["may_lose"].iloc[0] == pytest.approx(stats.beta.ppf(0.95, 3, 4))
    held = records(make, "obd", 0.5, (0.001, 0.002, 0.0)) + records(make, "obd", 0.25, (0.0, -0.1, 0.1))
    table = smallest_keeps_table(margins_table(gather_results("x", held)), [])
    assert (table["smallest_keep"].iloc[0], table["lost"].iloc[0]) == (0.5, 0)
    assert table["may_lose"].iloc[0] == pytest.approx(1 - 0.05 ** (1 / 3))
