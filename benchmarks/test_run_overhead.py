"""What a run costs beyond the work itself: the training loop, a finished grid, its plan, commands, two workers.

The loop is measured in turn with a plain loop of PyTorch on the same batches. A command is a process of its own; a
finished grid runs beside a process that only imports torch. Two workers run in turn with two processes that have half
of the blocks each. All numbers but those of the workers are CPU seconds. Slow ones: run them with ``-m slow``.
"""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn import functional as F

from prunebench import Pictures
from prunebench.data.splits import BlockData, Split
from prunebench.plugins.registry import get_model, load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.training.memory_format import in_format
from prunebench.training.train import TrainingSettings, rate_at, train

BATCH, BATCHES, ROUNDS = 64, 12, 5
PROGRAM = [sys.executable, "-P", "-m", "prunebench"]
LOOPS = 20  # rounds of the training loop, whose ratio is to be known to a percent
PLAN = TrainingSettings("overhead", 1, 0.01, BATCH, 5e-4, 0)
GRID = {"models": "lenet5", "datasets": "digits", "keep": "macs=0.5,0.25", "device": "cpu", "train-fraction": "0.2"}
GRID |= {"epochs": "1", "sparse-epochs": "0", "rung-epochs": "0", "finetune-epochs": "0"}
GRID["criteria"] = "magnitude random fpgm taylor snip lamp hrank obd fisher wanda"


def pictures_of(count: int, channels: int, size: int) -> BlockData:
    drawn = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)
    mean, std = torch.full((1, channels, 1, 1), 0.5), torch.full((1, channels, 1, 1), 0.25)
    whole = Split(Pictures(drawn, torch.arange(count) % 10), mean, std)
    empty = Split(Pictures(drawn[:0], torch.arange(0)), mean, std)
    return BlockData(whole, empty, whole, empty, classes=10, augment=())


def plain_loop(network: Network, data: BlockData) -> None:
    """Train as `train` does, written as in a tutorial of PyTorch."""
    model = network.model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=PLAN.rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for step, chosen in enumerate(torch.split(torch.randperm(len(data.train)), BATCH)):
        [(images, labels)] = data.train.pictures.batches([chosen])
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, BATCHES, PLAN.rate)
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(model(data.train.floats(images)), labels).backward()
        optimiser.step()


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


@pytest.mark.parametrize(("name", "shape"), [("lenet5", (1, 28)), ("vgg11_bn:width=0.25", (3, 32))])
def test_training_loop(benchmark: BenchmarkFixture, name: str, shape: tuple[int, int]) -> None:
    channels, size = shape
    model = get_model(name, load_registry(()))(channels, size, 10)
    dense = Network.dense(model, analyse(model, torch.randn(2, channels, size, size), check=False))
    in_format(model, torch.device("cpu"), torch.channels_last)
    data = pictures_of(BATCH * BATCHES, channels, size)
    ours: list[float] = []
    plain: list[float] = []

    def before() -> None:
        plain.append(seconds(lambda: plain_loop(deepcopy(dense), data)))

    def timed() -> None:
        copy = deepcopy(dense)
        ours.append(seconds(lambda: train(copy, data, PLAN)))

    benchmark.group = "training loop"
    benchmark.pedantic(timed, setup=before, rounds=LOOPS, warmup_rounds=1)
    ratios = [b / a for a, b in zip(ours[1:], plain[1:], strict=True)]  # of a plain loop's speed
    benchmark.extra_info["overhead"] = {
        "share_of_plain_speed": median(ratios),
        "share_of_the_best": min(plain[1:]) / min(ours[1:]),
        "lowest": min(ratios),
    }


def process_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-P", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def command(name: str, options: dict[str, str]) -> list[str]:
    return [name, *(part for option, value in options.items() for part in (f"--{option}", value))]


@pytest.mark.parametrize("seeds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_finished_grid(benchmark: BenchmarkFixture, seeds: int, tmp_path: Path) -> None:
    options = GRID | {"seeds": f"0-{seeds - 1}", "results": str(tmp_path)}
    asked = ["-m", "prunebench", *command("run", options)]
    process_seconds(*asked)
    bare = [process_seconds("-c", "import torch") for _ in range(2)]
    found: list[float] = []
    benchmark.group = "finished grid"
    benchmark.pedantic(lambda: found.append(process_seconds(*asked)), rounds=2)
    cells = len(list((tmp_path / "records").rglob("*.json")))
    benchmark.extra_info["overhead"] = {"cells": cells, "seconds_beyond_torch": min(found) - min(bare)}


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc")
def test_plan(benchmark: BenchmarkFixture, watched: Callable[..., dict[str, float]], tmp_path: Path) -> None:
    asked = command("run", GRID | {"seeds": "0-4999", "results": str(tmp_path)})
    found: list[dict[str, float]] = []
    benchmark.group = "plan"
    benchmark.pedantic(lambda: found.append(watched(*asked, "--dry-run")), rounds=3)
    benchmark.extra_info["overhead"] = {"cells": 100_000, **min(found, key=lambda one: one["cpu_seconds"])}


@pytest.mark.parametrize("asked", [["--help"], ["list", "criteria"]], ids=" ".join)
def test_command(benchmark: BenchmarkFixture, asked: list[str]) -> None:
    found: list[float] = []
    benchmark.group = "command"
    benchmark.pedantic(lambda: found.append(process_seconds("-m", "prunebench", *asked)), rounds=ROUNDS)
    benchmark.extra_info["overhead"] = {"seconds": min(found), "median_seconds": median(found)}


OWN = """
from torch import nn

def own(channels, size, classes):
    layers = [nn.Conv2d(channels, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))
"""


def test_dry_run_of_an_own_network(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    own = {"models": f"{tmp_path / 'mine.py'}:own", "datasets": "digits", "results": str(tmp_path / "results")}
    asked, found = [*command("run", own | {"criteria": "magnitude taylor"}), "--dry-run"], list[float]()
    benchmark.group = "command"
    benchmark.pedantic(lambda: found.append(process_seconds("-m", "prunebench", *asked)), rounds=3)
    benchmark.extra_info["overhead"] = {"seconds": min(found), "median_seconds": median(found)}


@pytest.mark.slow
def test_report_of_the_quick_preset(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    results, found = str(tmp_path / "results"), list[float]()
    process_seconds("-m", "prunebench", *command("run", {"preset": "quick", "results": results}))
    asked = ["-m", "prunebench", "report", results, "-o", str(tmp_path / "report")]
    benchmark.group = "command"
    benchmark.pedantic(lambda: found.append(process_seconds(*asked)), rounds=ROUNDS)
    benchmark.extra_info["overhead"] = {"seconds": min(found), "median_seconds": median(found)}


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [4, 12])
def test_two_workers(benchmark: BenchmarkFixture, seeds: int, tmp_path: Path) -> None:
    ours: list[float] = []
    by_hand: list[float] = []
    work = GRID | {"train-fraction": "1", "epochs": "8", "finetune-epochs": "4", "seeds": f"0-{seeds - 1}"}

    def run(*more: dict[str, str]) -> float:
        folders = [str(tmp_path / str(number)) for number in range(len(more))]
        asked = [command("run", work | one | {"results": to}) for one, to in zip(more, folders, strict=True)]
        start = time.perf_counter()
        started = [
            subprocess.Popen([*PROGRAM, *one], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for one in asked
        ]
        for process in started:
            process.wait()
        passed = time.perf_counter() - start
        assert all(process.returncode == 0 for process in started)
        for folder in folders:
            shutil.rmtree(folder)
        return passed

    benchmark.group = "two workers"
    benchmark.pedantic(
        lambda: ours.append(run({"workers": "2"})),
        setup=lambda: by_hand.append(run({"shard": "1/2"}, {"shard": "2/2"})),
        rounds=ROUNDS,
    )
    shares = [hand / own for hand, own in zip(by_hand, ours, strict=True)]
    benchmark.extra_info["overhead"] = {
        "seconds": median(ours),
        "seconds_by_hand": median(by_hand),
        "share_of_speed_by_hand": median(shares),
        "lowest": min(shares),
        "highest": max(shares),
    }
