"""What a GPU does: every kind of stage, the price of scores, latencies by CUDA events, one trajectory on CPU and GPU.

Writes one JSON, anew after every part. It needs torch, torchvision, numpy, pydantic, safetensors, torch-pruning and
filelock: no tables, no reports. So its pictures are made here. A part that fails is named; the others go on.
"""

import argparse
import json
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from prunebench import Dataset, Loaded, Pictures, Source, histogram, moments
from prunebench.records.record import Record
from prunebench.study.environment import cpu_kernels, cpu_name, versions
from prunebench.study.grid import Grid, find_device, make_grid, make_trajectory
from prunebench.study.spec import make_spec
from prunebench.study.store import Store
from prunebench.timing.timer import Timer
from prunebench.timing.warming import Call

CLASSES, NOISE = 10, 60.0
CRITERIA = (
    "magnitude taylor taylor_activation obd fisher l1 l0 reg_obd obd+l1 random shuffle:obd scratch:obd dense_continued"
)
SCORES = "magnitude taylor taylor_activation obd fisher kron_obd snip synflow hrank fpgm"
ONCE = {"sparse_epochs": 1, "rung_epochs": 1, "finetune_epochs": 1, "calibration": 256}
RESNET = {
    "models": "resnet20",
    "datasets": "patterns:channels=3,side=32,pictures=800",
    "seeds": "0",
    "keep": "macs=0.5",
}
SMALL = {"models": "lenet5", "datasets": "patterns"}


def patterns(source: Source, *, channels: int = 1, side: int = 16, pictures: int = 1500) -> Loaded:
    """Draw noisy pictures of ten patterns, (channels, side, side); a fifth more for testing. `source` is not used."""
    draws = torch.Generator().manual_seed(0)
    coarse = 255 * torch.rand((CLASSES, channels, 4, 4), generator=draws)
    means = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear")

    def split(count: int) -> Pictures:
        labels = torch.arange(count) % CLASSES
        noise = NOISE * torch.randn((count, channels, side, side), generator=draws)
        return Pictures((means[labels] + noise).clamp(0, 255).to(torch.uint8), labels)

    train, test = split(pictures), split(pictures // 5)
    mean, std = moments(histogram(train.images))
    return Loaded(train, test, tuple(map(str, range(CLASSES))), mean, std)


DATASET = Dataset(patterns, augment=("shift",))


def grid_of(results: Path, device: str, **options: Any) -> Grid:
    """Make a grid on the pictures of this file."""
    return make_grid(make_spec({"results": results, "device": device, "plugin": (__file__,), **options}))


def points(grid: Grid) -> list[dict[str, Any]]:
    """Compute every point of a grid; a point that fails is one line."""
    found = []
    for job in grid.jobs:
        trajectory = make_trajectory(grid.spec, Store(grid.spec.results), job)
        for keep in grid.spec.keep.fractions:
            try:
                found.append(_shown(trajectory.point(keep)))
            except Exception as error:
                found.append({"criterion": job.criterion, "keep": keep, "failed": f"{type(error).__name__}: {error}"})
    return found


def _shown(record: Record) -> dict[str, Any]:
    accuracy, where = record.accuracy, record.environment
    assert accuracy and where
    return {
        "criterion": record.cell.criterion,
        "seed": record.cell.seed,
        "keep": record.cell.keep,
        "dense": accuracy.dense,
        "finetuned": accuracy.finetuned,
        "device": where.device,
        "seconds": where.seconds,
        "peak_memory": where.peak_memory,
    }


def every_kind_of_stage(results: Path, device: str) -> dict[str, Any]:
    """Run criteria, regularisers and controls once, in full and in mixed precision where the device has it."""
    options = {**SMALL, **ONCE, "epochs": 5, "criteria": CRITERIA, "seeds": "0", "keep": "macs=0.5"}
    found = {"float32": points(grid_of(results, device, **options))}
    if find_device(device).type == "cuda":
        found["bfloat16"] = points(grid_of(results, device, **options, mixed_precision=True))
    return found


def quick(results: Path, device: str) -> list[dict[str, Any]]:
    """Run the schedule and the criteria of the preset `quick`, one seed."""
    return points(grid_of(results, device, preset="quick", datasets="patterns", models="lenet5", seeds="0"))


def scores(results: Path, device: str) -> dict[str, Any]:
    """Measure what scoring a dense ResNet-20 costs: median seconds of three."""
    grid = grid_of(results, device, **RESNET, criteria=SCORES, calibration=256)
    timer = Timer(grid)
    return {job.criterion: _times(timer.scoring(job), timer.device, rounds=3) for job in grid.jobs}


def latencies(results: Path, device: str) -> dict[str, Any]:
    """Time a dense ResNet-20 and one of half its MACs, by events of the device and by the suite's own paired clock."""
    found: dict[str, Any] = {}
    for batch in (1, 64):
        options = {**RESNET, **ONCE, "rung_epochs": 0, "epochs": 1, "criteria": "magnitude"}
        grid = grid_of(results, device, **options, timing_batch=batch)
        (job,), (keep,) = grid.jobs, grid.spec.keep.fractions
        record = make_trajectory(grid.spec, Store(results), job).point(keep)
        timer = Timer(grid)
        calls = {"dense": timer.dense(job), "pruned": timer.pruned(job, record)}
        ours = timer.measure(calls["dense"], calls["pruned"], record)
        found[f"batch {batch}"] = {name: _times(call, timer.device, rounds=50) for name, call in calls.items()} | {
            "paired": {"dense": ours.dense_seconds, "pruned": ours.pruned_seconds, "speedup": ours.speedup}
        }
    return found


def on_both(results: Path, device: str) -> dict[str, Any]:
    """Run one trajectory of ResNet-20 on the CPU and on the device, if it is another."""
    options = {**RESNET, **ONCE, "epochs": 2, "criteria": "taylor"}
    return {name: points(grid_of(results, name, **options)) for name in dict.fromkeys(("cpu", device))}


def _times(call: Call, device: torch.device, rounds: int) -> dict[str, Any]:
    """Return the median seconds of a call, by events on a CUDA device."""
    call()
    seconds = []
    for _ in range(rounds):
        if device.type == "cuda":
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            call()
            end.record()
            torch.cuda.synchronize(device)
            seconds.append(begin.elapsed_time(end) / 1000)
        else:
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return {"median": median(seconds), "least": min(seconds), "clock": "events" if device.type == "cuda" else "host"}


PARTS: Mapping[str, Callable[[Path, str], Any]] = {
    "every kind of stage": every_kind_of_stage,
    "latencies": latencies,
    "scores": scores,
    "trajectory": on_both,
    "quick": quick,
}


def machine(device: torch.device) -> dict[str, Any]:
    """Describe the machine."""
    facts = {"device": str(device), "cpu": cpu_name(), "kernels": cpu_kernels(), "versions": versions()}
    if device.type == "cuda":
        return facts | {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda}
    return facts


def main() -> int:
    """Do all parts and write the JSON; 1 where a part or point failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--tests", default="not run", help="what became of the tests, for the JSON")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="JSON to write")
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = str(find_device(given.device))
    result: dict[str, Any] = {"machine": machine(torch.device(device)), "tests": given.tests, "seconds": {}}
    for name, part in PARTS.items():
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                result[name] = part(Path(folder), device)
            except Exception:
                result[name] = {"failed": traceback.format_exc()}
        result["seconds"][name] = round(time.perf_counter() - start, 1)
        given.output.write_text(json.dumps(result, indent=1))
        print(f"{name}: {result['seconds'][name]} s{', FAILED' * ('failed' in json.dumps(result[name]))}", flush=True)
    return int('"failed"' in json.dumps(result))


if __name__ == "__main__":
    raise SystemExit(main())
