"""The same grid on a GPU: every kind of stage once. Skipped without one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run
from prunebench.study.spec import Spec
from prunebench.timing.timer import Timer

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
    assert latency.core_share is None  # the thread waits
    assert latency.dense_call_bytes is not None and latency.pruned_call_bytes is not None
    assert latency.dense_call_bytes > latency.pruned_call_bytes > 0


def test_every_stage_has_its_own_peak_of_memory(tiny: Callable[..., Spec], tmp_path: Path) -> None:
    kept = torch.zeros(2**28, device="cuda")  # 1 GiB, gone before the first stage begins
    del kept
    torch.cuda.empty_cache()
    (record,) = run(make_grid(tiny(tmp_path, criteria="random", keep="macs=0.5", device="cuda")), Progress())
    assert record.environment is not None
    assert all(0 < peak < 2**30 for peak in record.environment.memory.values())


def test_a_streamed_folder_gives_what_memory_gives(tiny: Callable[..., Spec], tmp_path: Path) -> None:
    draws = torch.Generator().manual_seed(0)
    for number in range(120):
        file = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(torch.randint(0, 256, (16, 16, 3), generator=draws).to(torch.uint8).numpy()).save(file)
    found = []
    for memory in (0, 4):
        data = f"folder:{tmp_path / 'pictures'},memory={memory}"
        options = {"datasets": data, "batch": 16, "train_fraction": 1.0, "normalise": "imagenet", "device": "cuda"}
        spec = tiny(tmp_path / f"results{memory}", criteria="taylor", keep="macs=0.5", **options)
        (record,) = run(make_grid(spec), Progress())
        found.append(record.accuracy)
    assert found[0] is not None and found[0] == found[1]
