from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.records.requested import Requested, RequestedTrajectories
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.results import gather_results


def references(table: pd.DataFrame, ranking: str, criterion: str) -> dict[str, str]:
    rows = table[(table["ranking"] == ranking) & (table["criterion"] == criterion)]
    return dict(zip(rows["reference"], rows["reference_ranking"], strict=True))


def test_pairs_are_the_shared_seeds_only(make: SimpleNamespace) -> None:
    ours = [make.record("taylor", s, accuracy=a) for s, a in ((0, 0.95), (1, 0.93), (7, 0.10))]
    theirs = [make.record("magnitude", s, accuracy=a) for s, a in ((1, 0.90), (0, 0.91), (3, 0.99))]
    row = differences_table(gather_results("x", ours + theirs)).iloc[0]
    assert (row["criterion"], row["reference"], row["n"]) == ("taylor", "magnitude", 2)
    assert row["difference"] == pytest.approx((0.04 + 0.03) / 2)
    assert (row["p"], row["smallest_p"]) == (0.5, 0.5)


def test_a_control_of_local_ranking_serves_the_others_but_shuffles_do_not(make: SimpleNamespace) -> None:
    controls = ("random", "dense_continued", "shuffle:magnitude", "scratch:magnitude")
    records = make.grid(("magnitude", "taylor", *controls), (0, 1), (0.5,))
    records += make.grid(("magnitude", "taylor", "shuffle:taylor"), (0, 1), (0.5,), "global")
    table = differences_table(gather_results("x", records))
    assert set(references(table, "local", "taylor")) == {"magnitude", *controls} - {"shuffle:magnitude"}
    assert "shuffle:magnitude" in references(table, "local", "magnitude")
    assert references(table, "global", "taylor") == {
        "magnitude": "global",
        "random": "local",
        "dense_continued": "local",
        "shuffle:taylor": "global",
    }
    assert set(references(table, "global", "magnitude")) == {"random", "dense_continued"}
    assert not table["criterion"].isin(controls).any()


def test_achieved_keeps_that_differ_are_in_the_table(make: SimpleNamespace) -> None:
    records = [make.record(c, ranking="global") for c in ("magnitude", "taylor")]
    gap = differences_table(gather_results("x", records)).iloc[0]["keep_gap"]
    assert gap == pytest.approx(records[1].keep["macs"] - records[0].keep["macs"])


def test_points_that_failed_stay_in_the_family(make: SimpleNamespace) -> None:
    names, seeds, keeps = ("magnitude", "taylor", "obd"), range(6), (0.5, 0.25)
    records = make.grid(names, seeds, keeps)
    whole = differences_table(gather_results("x", records))
    assert set(whole["family"].dropna()) == {2 * (len(keeps) + 1)}
    lost = [
        one.model_copy(update={"status": "failed", "accuracy": None, "reason": "the loss is nan"})
        if (one.cell.criterion, one.cell.keep) == ("obd", 0.25)
        else one
        for one in records
    ]
    table = differences_table(gather_results("x", lost))
    assert set(table["family"].dropna()) == {6}
    ours = table[(table["criterion"] == "taylor")]
    assert (ours["p_adjusted"] >= 6 / 4 / 32).all()  # four contrasts are left: two keeps, one keep, one curve


def test_points_that_an_interrupted_run_has_not_computed_stay_in_the_family(make: SimpleNamespace) -> None:
    names, keeps = ("magnitude", "taylor", "obd"), (0.5, 0.25)
    of_one = {"dataset": "mnist", "model": "lenet5", "seeds": tuple(range(6))}
    trajectories = tuple(RequestedTrajectories(criterion=name, **of_one) for name in names)
    asked = Requested(ranking="local", metric="macs", keeps=keeps, trajectories=trajectories)
    whole = replace(gather_results("x", make.grid(names, range(6), keeps)), asked=(asked,))
    assert set(differences_table(whole)["family"].dropna()) == {6}
    begun = replace(gather_results("x", make.grid(names, range(6), (0.5,))), asked=(asked,))
    assert set(differences_table(begun)["family"].dropna()) == {6}  # two keeps and the curve, of two criteria
    without = make.grid(("magnitude", "taylor"), range(6), keeps)
    table = differences_table(replace(gather_results("x", without), asked=(asked,)))
    assert set(table["family"].dropna()) == {6}
    assert (table["p_adjusted"].dropna() >= 6 / 3 / 32).all()  # two keeps and a curve are left
    other = asked.model_copy(update={"trajectories": (trajectories[0].model_copy(update={"dataset": "digits"}),)})
    assert set(differences_table(replace(whole, asked=(asked, other)))["family"].dropna()) == {6}
