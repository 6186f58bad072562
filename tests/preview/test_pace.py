import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.data.splits import BlockData
from prunebench.preview.pace import Pace, measure
from prunebench.pruning.network import Network
from prunebench.study.grid import make_grid, prepare_task
from prunebench.study.stages import Stage
from prunebench.study.store import Store
from prunebench.training.train import TrainingSettings


def test_seconds_lie_on_the_line_through_the_two_networks() -> None:
    pace = Pace(dense=1.0, smallest=0.4, keep=0.2)
    assert [pace(keep) for keep in (1.0, 0.2, 0.6)] == pytest.approx([1.0, 0.4, 0.7])
    assert Pace(1.0, 1.0, 1.0)(1.0) == 1.0


def test_finished_stages_correct_the_estimate(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stages = [Stage("dense", "dense", "a", 4), Stage("point", "finetune", "b", 2, keep=0.2)]
    for stage, seconds in zip(stages, (60.0, 9.6), strict=True):
        store.stage(stage.key).mkdir()
        (store.stage(stage.key) / "facts.json").write_text(json.dumps({"seconds": seconds, "memory": 0}))
    pace = Pace(1.0, 0.4, 0.2).corrected(stages, store, lambda stage: stage.epochs * 10.0)
    assert pace.correction == pytest.approx((60 + 9.6) / (40 * 1.0 + 20 * 0.4))
    assert pace(1.0) == pytest.approx(1.45)
    (store.stage("b") / "facts.json").write_text("{")  # damaged: a run computes such a stage anew
    assert Pace(1.0, 0.4, 0.2).corrected(stages, store, lambda stage: stage.epochs * 10.0).correction == 1.5
    assert Pace(1.0, 0.4, 0.2).corrected([], store, lambda _: 1.0).correction == 1.0


def test_a_small_network_is_timed_too(
    tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "perf_counter", time.process_time)  # other work on the machine takes none of it
    grid = make_grid(tiny(tmp_path, keep="0.3", models="vgg11_bn:width=0.25", batch=16))
    pace = measure(grid, prepare_task(grid.spec, "digits", "vgg11_bn:width=0.25"))
    assert pace.keep == pytest.approx(0.3, abs=0.03)
    assert 0 < pace.smallest < pace.dense


def test_single_weights_save_no_time(tiny: Callable[..., Any], tmp_path: Path) -> None:
    grid = make_grid(tiny(tmp_path, criteria="magnitude", keep="weights=0.1"))
    pace = measure(grid, prepare_task(grid.spec, "digits", "lenet5"))
    assert pace(0.1) == pace(1.0) == pace.dense > 0


def trained_on(monkeypatch: pytest.MonkeyPatch, batch: float, step: float) -> list[int]:
    """Let a training take these seconds for a picture and for an optimiser's step. Returns the pictures, as trained."""
    trained: list[int] = []
    now = [0.0]

    def train(network: Network, data: BlockData, plan: TrainingSettings) -> None:
        trained.append(len(data.train))
        now[0] += batch * len(data.train) + step * -(-len(data.train) // plan.batch)

    class Optimiser:
        def step(self) -> None:
            now[0] += step

    monkeypatch.setattr("prunebench.preview.pace.train", train)
    monkeypatch.setattr("prunebench.preview.pace.make_optimiser", lambda *_: Optimiser())
    monkeypatch.setattr("prunebench.preview.pace.time.perf_counter", lambda: now[0])
    return trained


def test_a_slow_step_is_timed_on_two_pictures_and_counted_once_a_batch(
    tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trained = trained_on(monkeypatch, batch=5.0, step=32.0)
    grid = make_grid(tiny(tmp_path, keep="0.5", batch=64))
    pace = measure(grid, prepare_task(grid.spec, "digits", "lenet5"))
    assert pace.dense == pace.smallest == pytest.approx(5.0 + 32.0 / 64)
    assert trained == [2, 2]
    assert "busy" in caplog.text  # this process computed nothing meanwhile


def test_the_first_pass_of_a_batch_is_not_counted(
    tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trained_on(monkeypatch, batch=0.08, step=0.0)  # two pictures take .16 s: enough, but not long
    grid = make_grid(tiny(tmp_path, keep="0.5", batch=16))
    assert measure(grid, prepare_task(grid.spec, "digits", "lenet5")).dense == pytest.approx(0.08)
    assert trained == [2, 2, 2, 2]


def test_quick_steps_are_timed_in_batches_of_full_size(
    tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trained_on(monkeypatch, batch=1e-3, step=1e-3)
    grid = make_grid(tiny(tmp_path, keep="0.5", batch=16))
    pace = measure(grid, prepare_task(grid.spec, "digits", "lenet5"))
    assert trained[-1] >= 120 and 16 in trained  # enough for .15 s; a first batch of full size is not timed
    assert pace.dense == pytest.approx(1e-3 + 1e-3 / 16, rel=0.05)
