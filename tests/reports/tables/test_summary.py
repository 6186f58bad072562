import math
from types import SimpleNamespace

import pytest

from prunebench.reports.results import gather_results


def test_mean_and_interval_over_seeds(make: SimpleNamespace) -> None:
    records = [make.record(seed=s, accuracy=a) for s, a in enumerate((0.90, 0.92, 0.94))]
    row = make.summary(gather_results("x", records)).iloc[0]
    assert (row["n"], row["seeds"]) == (3, "0 1 2")
    assert row["accuracy_finetuned"] == pytest.approx(0.92)
    assert row["accuracy_finetuned_half"] == pytest.approx(0.02 * 4.302653 / math.sqrt(3), rel=1e-5)


def test_keeps_and_rankings_are_never_pooled(make: SimpleNamespace) -> None:
    records = [make.record(keep=k, ranking=r) for k in (0.5, 0.25) for r in ("local", "global")]
    assert make.summary(gather_results("x", records))["n"].tolist() == [1, 1, 1, 1]


def test_measured_speed_up_and_efficiency(make: SimpleNamespace) -> None:
    records = [make.record(seed=s) for s in (0, 1)]
    timings = [make.latency(r).model_copy(update={"speedup": v}) for r, v in zip(records, (1.5, 1.7), strict=True)]
    row = make.summary(gather_results("x", records, timings)).iloc[0]
    assert (row["measured"], row["measured_n"]) == (pytest.approx(1.6), 2)
    assert row["efficiency"] == pytest.approx(1.6 / row["theoretical"])


def test_only_the_main_setting_is_in_the_summary(make: SimpleNamespace) -> None:
    records = [make.record(c) for c in ("magnitude", "taylor")]
    timings = [make.latency(r) for r in records] + [make.latency(records[0], "onnx")]
    summary = make.summary(gather_results("x", records, timings))
    assert len(summary) == 2 and summary["measured"].notna().all()
