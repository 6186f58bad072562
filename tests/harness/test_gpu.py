"""The same grid on a GPU: every kind of stage once. Skipped without one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.grid import make_grid
from prunebench.progress import Progress
from prunebench.run import run
from prunebench.spec import Spec
from prunebench.timing import Timer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CRITERIA = "magnitude taylor taylor_activation obd fisher l1 l0 reg_obd obd+l1 random shuffle:obd scratch:obd"


@pytest.mark.parametrize("mixed", [False, True])
def test_every_criterion_runs_on_a_gpu(tiny: Callable[..., Spec], tmp_path: Path, mixed: bool) -> None:
    options: dict[str, Any] = {"device": "cuda", "mixed_precision": mixed, "keep": "macs=0.5"}
    spec = tiny(tmp_path, criteria=f"{CRITERIA} dense_continued", **options)
    grid = make_grid(spec)
    records = run(grid, Progress())
    assert [(r.cell.criterion, r.reason) for r in records if r.status != "ok"] == []
    for record in records:
        assert record.environment is not None and torch.cuda.get_device_name() in record.environment.device
        assert record.accuracy is not None and record.accuracy.dense > 0.3


def test_latency_is_measured_on_a_gpu(tiny: Callable[..., Spec], tmp_path: Path) -> None:
    spec = tiny(tmp_path, criteria="magnitude", keep="macs=0.3", device="cuda")
    grid = make_grid(spec)
    (record,) = run(grid, Progress())
    timer = Timer(grid)
    job = grid.jobs[0]
    latency = timer.measure(timer.dense(job), timer.pruned(job, record), record)
    assert latency.machine == torch.cuda.get_device_name()
    assert latency.dense_seconds > 0
