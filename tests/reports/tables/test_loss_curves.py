import math
from types import SimpleNamespace

import pytest
from scipy.stats import ttest_1samp

from prunebench.records.record import Epoch
from prunebench.reports.results import gather_results
from prunebench.reports.tables.loss_curves import loss_curves_table


def curve(*losses: float, stage: str = "dense") -> tuple[Epoch, ...]:
    return tuple(Epoch(stage=stage, epoch=i + 1, rate=0.1, loss=loss) for i, loss in enumerate(losses))


def test_losses_are_means_over_seeds_with_their_interval(make: SimpleNamespace) -> None:
    losses = [(2.0, 1.0), (2.4, 0.7), (2.2, 1.3)]
    table = loss_curves_table(
        gather_results("x", [make.record(seed=s, curves=curve(*one)) for s, one in enumerate(losses)])
    )
    assert table[["step", "stage", "epoch", "n"]].to_numpy().tolist() == [[1, "dense", 1, 3], [2, "dense", 2, 3]]
    for row, own in zip(table.to_dict("records"), zip(*losses, strict=True), strict=True):
        wanted = ttest_1samp(own, 0).confidence_interval()
        assert row["loss"] == pytest.approx(sum(own) / 3)
        assert row["loss"] - row["loss_half"] == pytest.approx(wanted.low)
        assert row["loss"] + row["loss_half"] == pytest.approx(wanted.high)


def test_one_seed_has_no_interval_and_a_missing_validation_stays_missing(make: SimpleNamespace) -> None:
    measured = (Epoch(stage="dense", epoch=3, rate=0.1, loss=0.5, validation=0.75),)
    table = loss_curves_table(gather_results("x", [make.record(curves=curve(2.0, 1.0) + measured)]))
    assert table["loss_half"].isna().all()
    assert table["validation"].isna().tolist() == [True, True, False] and table["validation"].iloc[2] == 0.75


def test_fresh_weights_owe_nothing_to_the_dense_network(make: SimpleNamespace) -> None:
    both = curve(2.0, 1.0) + curve(3.0, stage="scratch 0.5")
    table = loss_curves_table(gather_results("x", [make.record("scratch:magnitude", curves=both)]))
    assert table[["step", "stage", "loss"]].to_numpy().tolist() == [[1, "scratch 0.5", 3.0]]


def test_the_most_common_stages_count(make: SimpleNamespace) -> None:
    records = [make.record(seed=s, curves=curve(1.0, 2.0)) for s in range(2)] + [make.record(seed=2, curves=curve(9.0))]
    table = loss_curves_table(gather_results("x", records))
    assert table["loss"].tolist() == [1.0, 2.0] and set(table["n"]) == {2}


def test_losses_without_limits_are_borne(make: SimpleNamespace) -> None:
    records = [make.record(seed=s, curves=curve(math.inf, math.nan, 1e308)) for s in range(2)]
    assert len(loss_curves_table(gather_results("x", records))) == 3
    assert not len(loss_curves_table(gather_results("x", [make.record(curves=())])))
