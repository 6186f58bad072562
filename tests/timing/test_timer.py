import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prunebench.pruning.network import Group
from prunebench.records.latency import Latency
from prunebench.reports.reading import read_results
from prunebench.study.grid import make_grid
from prunebench.timing import timer as timing
from prunebench.timing.timer import Timer

Make = Callable[..., Any]


@pytest.fixture
def timer(computed: Any) -> Timer:
    return Timer(make_grid(computed.spec.model_copy(update={"timing_batch": 3, "timing_rounds": 4})))


def test_the_timed_networks_have_the_recorded_widths(
    computed: Any, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[torch.nn.Module, torch.Tensor]] = []
    monkeypatch.setattr(timing, "runner", lambda model, example, backend: made.append((model, example)) or (lambda: 0))
    record, job = computed.records["l1", 0.5], timer.grid.jobs[0]
    timer.pruned(job, record)
    model, example = made[0]
    found = {name: module.weight.shape[0] for name, module in model.named_modules() if hasattr(module, "weight")}
    assert found == {name: after for name, (_, after) in record.widths.items()}
    assert example.shape == (3, 1, 8, 8)
    timer.dense(job)
    assert sum(p.numel() for p in made[1][0].parameters()) == record.dense.params
    assert timer.dense(job) is timer.dense(job)
    assert len(made) == 2


def test_units_of_a_grouped_convolution_are_counted_not_its_channels(computed: Any) -> None:
    record = computed.records["l1", 0.5].model_copy(update={"widths": {"conv": (128, 96)}})
    assert timing.units_of(Group("conv", 4, ("conv",), ()), record) == 3


def test_a_real_measurement(computed: Any, timer: Timer) -> None:
    record, job = computed.records["magnitude", 0.3], timer.grid.jobs[0]
    latency = timer.measure(timer.dense(job), timer.pruned(job, record), record)
    assert latency.key == record.key
    assert 0 < latency.low <= latency.speedup <= latency.high
    assert len(latency.ratios) == 4


def test_the_speedup_is_the_median_of_the_paired_ratios(
    computed: Any, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, pruned = np.array([4.0, 8.0, 6.0, 9.0]), np.array([2.0, 2.0, 2.0, 3.0])
    monkeypatch.setattr(timing, "paired", lambda *_: (dense, pruned))
    latency = timer.measure(lambda: 0, lambda: 0, computed.records["magnitude", 0.5])
    assert latency.ratios == (2.0, 4.0, 3.0, 3.0)
    assert latency.speedup == 3.0
    assert (latency.batch, latency.backend, latency.threads) == (3, "eager", 1)


def latency(key: str, speedup: float) -> Latency:
    facts = {"machine": "m", "backend": "eager", "batch": 3, "threads": 1, "dense_seconds": 1.0, "pruned_seconds": 1.0}
    return Latency.model_validate({"key": key, "ratios": (1.0,), "speedup": speedup, "low": 1.0, "high": 1.0, **facts})


def test_latencies_are_kept_apart_and_newer_ones_replace_older(
    tiny: Make, tmp_path: Path, computed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = Timer(make_grid(tiny(tmp_path, criteria="magnitude")))
    timer.machine = "A CPU (R) @ 3 GHz"
    key = computed.records["magnitude", 0.5].key
    timer.keep([latency("a", 1.0), latency(key, 1.5)])
    timer.keep([latency(key, 2.5)])
    path = tmp_path / "timing" / "A-CPU-R-3-GHz-eager.json"
    found = {entry["key"]: entry["speedup"] for entry in json.loads(path.read_text())["latencies"]}
    assert found == {"a": 1.0, key: 2.5}
    timer.store.put(computed.records["magnitude", 0.5])
    assert read_results(tmp_path)  # the report's reader takes what the timer writes
