from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from prunebench.errors import UserError
from prunebench.records.record import Record
from prunebench.reports.analysis.changes import changes_table, describe_change, judge_changes
from prunebench.reports.analysis.comparable import changed_surroundings, check_comparable
from prunebench.reports.results import Results, gather_results


def run(make: SimpleNamespace, accuracies: tuple[float, ...], source: str = "x", **changes: Any) -> Results:
    return gather_results(
        source, [make.record("taylor", seed, accuracy=a, **changes) for seed, a in enumerate(accuracies)]
    )


def verdict(make: SimpleNamespace, before: tuple[float, ...], after: tuple[float, ...]) -> str:
    return str(changes_table(run(make, before), run(make, after), 0.005)["verdict"].iloc[0])


def test_verdicts(make: SimpleNamespace) -> None:
    before = (0.9, 0.91, 0.92, 0.9)
    assert verdict(make, before, before) == "identical"
    assert verdict(make, before, tuple(a - 0.02 - 0.001 * i for i, a in enumerate(before))) == "regressed"
    assert verdict(make, before, tuple(a - 0.001 - 0.0001 * i for i, a in enumerate(before))) == "held"  # worse, within
    assert verdict(make, before, tuple(a + 0.02 + 0.001 * i for i, a in enumerate(before))) == "improved"
    assert verdict(make, before, (0.93, 0.86, 0.90, 0.89)) == "open"  # the mean fell by 1.25 points, unproven
    assert verdict(make, (0.9,), (0.89,)) == "fell, too few seeds"
    assert verdict(make, (0.9,), (0.899,)) == "open"


def test_a_fall_of_exactly_the_margin_is_no_regression(make: SimpleNamespace) -> None:
    assert 0.895 - 0.9 < -0.005  # as floating-point numbers
    assert verdict(make, (0.9,) * 8, (0.895,) * 8) == "open"
    assert verdict(make, (0.9,), (0.895,)) == "open"


def test_a_rise_that_may_be_none_is_held(make: SimpleNamespace) -> None:
    before = (0.9, 0.91, 0.92, 0.93, 0.94, 0.95)
    rises = (0.004, -0.002, 0.003, 0.004, -0.001, 0.0)
    assert verdict(make, before, tuple(b + r for b, r in zip(before, rises, strict=True))) == "held"


@pytest.mark.parametrize(
    ("seeds", "expected"), [(2, "fell, too few seeds"), (4, "fell, too few seeds"), (5, "regressed"), (6, "regressed")]
)
def test_equal_drops_are_no_certainty(make: SimpleNamespace, seeds: int, expected: str) -> None:
    table = changes_table(run(make, (0.75,) * seeds), run(make, (0.5,) * seeds), 0.005)
    assert table["p_worse"].tolist() == [0.5**seeds]  # of 2**n ways to set the signs one is as low
    assert table["verdict"].tolist() == [expected]
    rose = "improved" if seeds >= 5 else "open"  # six would hold: the interval's level is 0.025
    assert verdict(make, (0.5,) * seeds, (0.75,) * seeds) == rose


def test_equal_drops_share_the_correction(make: SimpleNamespace) -> None:
    before = [make.record(c, s, accuracy=0.75) for c in ("taylor", "obd") for s in range(5)]
    after = [make.record(c, s, accuracy=0.5) for c in ("taylor", "obd") for s in range(5)]
    table = changes_table(gather_results("x", before), gather_results("y", after), 0.005)
    assert table["p_worse"].tolist() == [2 / 32] * 2
    assert table["verdict"].tolist() == ["fell, too few seeds"] * 2


def test_the_test_is_scipys_and_corrected(make: SimpleNamespace) -> None:
    before = [make.record(c, s, accuracy=0.9 + 0.01 * s) for c in ("taylor", "obd") for s in range(3)]
    after = [make.record(c, s, accuracy=0.88 + 0.012 * s) for c in ("taylor", "obd") for s in range(3)]
    table = changes_table(gather_results("x", before), gather_results("y", after), 0.005)
    d = [-0.02, -0.018, -0.016]
    worse, better = stats.ttest_1samp(d, -0.005, alternative="less"), stats.ttest_1samp(d, 0, alternative="greater")
    assert table["p_worse"].tolist() == pytest.approx([2 * worse.pvalue] * 2)
    assert table["p_better"].tolist() == pytest.approx([min(1, 2 * better.pvalue)] * 2)


def test_a_fall_within_the_margin_is_no_regression_however_sure(make: SimpleNamespace) -> None:
    before = tuple(0.9 + 0.001 * s for s in range(20))
    fell = tuple(b - 0.004 - 0.0001 * (s % 2) for s, b in enumerate(before))  # by 0.4 of the 0.5 points
    assert verdict(make, before, fell) == "held"
    mean_below = tuple(b - 0.0052 - 0.002 * (-1) ** s for s, b in enumerate(before))  # by 0.52 +- 0.2: may be within
    assert verdict(make, before, mean_below) == "open"
    assert verdict(make, before, tuple(b - 0.008 - 0.002 * (-1) ** s for s, b in enumerate(before))) == "regressed"


def test_unchanged_code_seldom_has_a_verdict() -> None:
    rng, told = np.random.default_rng(0), Counter[str]()
    for _ in range(200):
        rows = [describe_change(d, 0.005) | {"identical": 0} for d in rng.normal(0, 0.003, (20, 10))]
        judge_changes(rows, 0.005)
        told.update({row["verdict"] for row in rows})
    assert told["improved"] <= 200 * 0.05 + 10  # three standard errors; without correction: 35 to 40 %
    assert told["regressed"] == 0


def test_a_point_that_fails_now_is_lost(make: SimpleNamespace) -> None:
    before, after = make.grid(("taylor",), (0, 1), (0.5, 0.25)), make.grid(("taylor",), (0, 1), (0.5,))
    table = changes_table(
        gather_results("x", before), gather_results("y", [*after, make.failure("taylor", 1, 0.25)]), 0.005
    )
    assert table["verdict"].tolist() == ["identical", "failed now"]


def test_sizes_and_times_are_ratios(make: SimpleNamespace) -> None:
    record: Record = make.record("taylor")
    slower = make.latency(record).model_copy(update={"pruned_seconds": 0.03, "machine": "another"})
    before = gather_results("x", [record], [make.latency(record).model_copy(update={"pruned_seconds": 0.01})])
    smaller = record.model_copy(update={"pruned": record.pruned.model_copy(update={"macs": record.pruned.macs // 2})})  # type: ignore[union-attr]
    row = changes_table(before, gather_results("y", [smaller], [slower]), 0.005).iloc[0]
    assert (row["time"], row["size"]) == (pytest.approx(3.0), pytest.approx(0.5))


def test_what_surrounds_the_cells(make: SimpleNamespace) -> None:
    record: Record = make.record("taylor")
    moved = record.environment.model_copy(update={"versions": {"torch": "2.16.0", "prunebench": "0.1.0"}})  # type: ignore[union-attr]
    after = record.model_copy(update={"environment": moved, "protocol": record.protocol | {"epochs": 31}})
    found = list(changed_surroundings(gather_results("x", [record]), gather_results("y", [after])))
    assert found == [("option epochs", "30", "31"), ("package torch", "2.15.0", "2.16.0")]


def test_what_cannot_be_compared(make: SimpleNamespace) -> None:
    def refusal(before: list[Record], after: list[Record]) -> str:
        with pytest.raises(UserError, match="x and y have no cell in common: ") as raised:
            check_comparable(gather_results("x", before), gather_results("y", after))
        return str(raised.value).partition("common: ")[2]

    taylor, obd = make.grid(("taylor",), (0, 1)), make.grid(("obd",), (2,), (0.5,), "global")
    assert refusal(taylor, obd) == (
        "criteria taylor before, obd after; rankings local before, global after; seeds 0, 1 before, 2 after; "
        "run the same cells in both"
    )
    assert refusal(make.grid(("taylor",), range(6), (0.5,)), make.grid(("taylor",), range(3), (0.25,))) == (
        "keeps macs=0.5 before, macs=0.25 after; run the same cells in both"
    )
    assert "seeds 0, 1, 2, 3 and 2 more before" in refusal(make.grid(("taylor",), range(6)), [make.record("taylor", 9)])
    crossed = make.grid(("taylor",), (0,), (0.5,)) + make.grid(("obd",), (1,), (0.5,))
    other = make.grid(("taylor",), (1,), (0.5,)) + make.grid(("obd",), (0,), (0.5,))
    assert "shared in part, but no whole cell" in refusal(crossed, other)
    with pytest.raises(UserError, match="x has no finished point"):
        check_comparable(gather_results("x", [make.failure()]), gather_results("y", taylor))
