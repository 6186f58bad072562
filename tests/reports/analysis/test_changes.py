from types import SimpleNamespace
from typing import Any

import pytest
from scipy import stats

from prunebench.errors import UserError
from prunebench.records.record import Record
from prunebench.reports.analysis.changes import changed_surroundings, changes_table, check_comparable
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
    assert verdict(make, (0.5,) * seeds, (0.75,) * seeds) == ("improved" if 0.5**seeds <= 0.025 else "open")


def test_equal_drops_share_the_correction(make: SimpleNamespace) -> None:
    before = [make.record(c, s, accuracy=0.75) for c in ("taylor", "obd") for s in range(5)]
    after = [make.record(c, s, accuracy=0.5) for c in ("taylor", "obd") for s in range(5)]
    table = changes_table(gather_results("x", before), gather_results("y", after), 0.005)
    assert table["p_holm"].tolist() == [2 / 32] * 2
    assert table["verdict"].tolist() == ["fell, too few seeds"] * 2


def test_the_test_is_scipys_and_corrected(make: SimpleNamespace) -> None:
    before = [make.record(c, s, accuracy=0.9 + 0.01 * s) for c in ("taylor", "obd") for s in range(3)]
    after = [make.record(c, s, accuracy=0.88 + 0.012 * s) for c in ("taylor", "obd") for s in range(3)]
    table = changes_table(gather_results("x", before), gather_results("y", after), 0.005)
    expected = stats.ttest_1samp([-0.02, -0.018, -0.016], 0, alternative="less").pvalue
    assert table["p_worse"].tolist() == pytest.approx([expected] * 2)
    assert table["p_holm"].tolist() == pytest.approx([2 * expected] * 2)


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
    with pytest.raises(UserError, match="x and y have no cell in common"):
        check_comparable(run(make, (0.9,)), gather_results("y", [make.record("obd")]))
    two = [make.record("taylor"), make.record("taylor", 1, key="other", protocol={"epochs": 1})]
    with pytest.raises(UserError, match="run under 2 protocols"):
        check_comparable(gather_results("x", two), gather_results("y", two))
