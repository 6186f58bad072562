"""What a run costs beyond the work itself: the training loop, and a run of a grid that is finished.

The loop is measured in turn with a plain loop of PyTorch on the same batches. The run is a process of its own, beside
one that only imports torch. All numbers are CPU seconds.
"""

import resource
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
    benchmark.pedantic(timed, setup=before, rounds=ROUNDS, warmup_rounds=1)
    ratios = [b / a for a, b in zip(ours[1:], plain[1:], strict=True)]  # of a plain loop's speed
    benchmark.extra_info["overhead"] = {"share_of_plain_speed": median(ratios), "lowest": min(ratios)}


def process_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-P", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("seeds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_finished_grid(benchmark: BenchmarkFixture, seeds: int, tmp_path: Path) -> None:
    options = GRID | {"seeds": f"0-{seeds - 1}", "results": str(tmp_path)}
    asked = ["-m", "prunebench", "run", *(part for name, value in options.items() for part in (f"--{name}", value))]
    process_seconds(*asked)
    bare = [process_seconds("-c", "import torch") for _ in range(2)]
    found: list[float] = []
    benchmark.group = "finished grid"
    benchmark.pedantic(lambda: found.append(process_seconds(*asked)), rounds=2)
    cells = len(list((tmp_path / "records").rglob("*.json")))
    benchmark.extra_info["overhead"] = {"cells": cells, "seconds_beyond_torch": min(found) - min(bare)}
