from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from prunebench.records.packed import PerPicture
from prunebench.reports.analysis.pairing import compare_points, paired_differences, shared_seeds
from prunebench.reports.statistics.seeds_and_pictures import crossed_interval


def pictures(right: Any) -> PerPicture:
    return PerPicture.pack(right, right, right)


def test_pairs_are_by_seed_not_by_position(make: SimpleNamespace) -> None:
    ours = {s: make.record("taylor", s, accuracy=a) for s, a in ((2, 0.9), (0, 0.8), (7, 0.1))}
    reference = {s: make.record("magnitude", s, accuracy=a) for s, a in ((0, 0.7), (2, 0.6), (3, 0.5))}
    assert shared_seeds(ours, reference) == [2, 0]
    assert paired_differences(ours, reference) == pytest.approx([0.3, 0.1])


def test_columns_are_scipys(make: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    a, b = 0.9 + 0.01 * rng.standard_normal((2, 8))
    ours = {s: make.record("taylor", s, accuracy=x) for s, x in enumerate(a)}
    reference = {s: make.record("magnitude", s, accuracy=x) for s, x in enumerate(b)}
    row = compare_points(ours, reference, "macs")
    expected = stats.ttest_rel(a, b).confidence_interval()
    assert (row["low"], row["high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))
    exact = stats.permutation_test(
        (a - b,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    assert row["p"] == pytest.approx(exact.pvalue)
    assert row["smallest_p"] == 2.0**-7
    assert row["superiority"] == np.mean(a > b)
    assert row["sd"] == pytest.approx((a - b).std(ddof=1))
    assert row["keep_gap"] == 0.0
    assert "crossed_low" not in row  # these records say nothing about single pictures


def test_pictures_are_paired_within_a_seed(make: SimpleNamespace) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(2, size=(2, 3, 40))
    ours = {s: make.record("taylor", s, accuracy=a[s].mean(), per_image=pictures(a[s])) for s in range(3)}
    reference = {s: make.record("magnitude", s, accuracy=b[s].mean(), per_image=pictures(b[s])) for s in range(3)}
    row, expected = compare_points(ours, reference, "macs"), crossed_interval(a.astype(float) - b)
    assert row["difference"] == pytest.approx(expected.mean)
    assert (row["crossed_low"], row["crossed_high"]) == (expected.low, expected.high)
    assert row["pictures_share"] == expected.pictures_share


def test_none_shared_and_one(make: SimpleNamespace) -> None:
    ours, other = {0: make.record("taylor", 0, accuracy=0.9)}, {1: make.record("magnitude", 1)}
    assert compare_points(ours, other, "macs") == {"n": 0}
    row = compare_points(ours, {0: make.record("magnitude", 0, accuracy=0.8)}, "macs")
    assert (row["n"], row["difference"], row["low"]) == (1, pytest.approx(0.1), None)
    assert "p" not in row and "sd" not in row


def test_ties_are_no_difference(make: SimpleNamespace) -> None:
    ours, other = ({s: make.record(c, s, accuracy=0.9) for s in range(4)} for c in ("taylor", "magnitude"))
    row = compare_points(ours, other, "macs")
    assert (row["difference"], row["low"], row["high"], row["p"]) == (0, 0, 0, 1)
    assert row["g"] is None and row["superiority"] == 0.5


def test_bootstrap_interval_from_thirty_seeds_on(make: SimpleNamespace) -> None:
    d = 0.01 * np.random.default_rng(2).exponential(size=30)
    ours = {s: make.record("taylor", s, accuracy=0.9 + x) for s, x in enumerate(d)}
    other = {s: make.record("magnitude", s, accuracy=0.9) for s in range(30)}
    row = compare_points(ours, other, "macs")
    assert row["bca_high"] - row["difference"] > row["difference"] - row["bca_low"]  # skewed as the data
    expected = stats.bootstrap((d,), np.mean, random_state=np.random.default_rng(1)).confidence_interval
    assert (row["bca_low"], row["bca_high"]) == (
        pytest.approx(expected.low, rel=0.05),
        pytest.approx(expected.high, rel=0.05),
    )
    del ours[0]
    assert "bca_low" not in compare_points(ours, other, "macs")
