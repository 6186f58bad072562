"""Seconds to prune a dense network to half of the MACs, measured in turn with torch-pruning's own pruner.

PruneBench: analysis (with and without its check), scores, selection and removal. torch-pruning: graph, scores and one
step to the same share of units, without a check. Networks at 224 pixels are marked slow: run them with ``-m slow``.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from statistics import median

import pytest
import torch
import torch_pruning as tp
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torchvision.models import get_model

from prunebench.criteria.magnitude import CRITERION
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import costs, count
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Rule, select
from prunebench.records.budget import Keep
from prunebench.scoring.score import score

KEEP = 0.5
ROUNDS = 3
CASES = [
    ("mobilenet_v2", 32),
    *(pytest.param(name, 224, marks=pytest.mark.slow) for name in ("mobilenet_v2", "resnet50", "densenet121")),
]


def prune(model: nn.Module, pictures: Tensor, check: bool) -> Network:
    network = Network.dense(model, analyse(model, pictures, check=check))
    scores = score(CRITERION, network, [], torch.Generator())
    selection = select(scores, network, costs(model, network.table), Keep("macs", KEEP), Rule())
    return remove(network, selection.remove)


def prune_by_theirs(model: nn.Module, pictures: Tensor, keep_units: float) -> None:
    last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    importance = tp.importance.MagnitudeImportance(p=2)
    tp.pruner.MetaPruner(model, pictures, importance, pruning_ratio=1 - keep_units, ignored_layers=[last]).step()


def time_call(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.parametrize("check", [True, False], ids=["checked", "unchecked"])
@pytest.mark.parametrize(("name", "size"), CASES)
def test_overhead(benchmark: BenchmarkFixture, name: str, size: int, check: bool) -> None:
    model, pictures = get_model(name, weights=None).eval(), torch.randn(1, 3, size, size)
    pruned = prune(model, pictures, check)
    keep_units = sum(pruned.units.values()) / sum(group.units for group in pruned.table.groups)
    prune_by_theirs(deepcopy(model), pictures, keep_units)  # warms torch-pruning up; `prune` above warmed ours up
    mine, theirs = [], []

    def before() -> None:
        copy = deepcopy(model)
        theirs.append(time_call(lambda: prune_by_theirs(copy, pictures, keep_units)))

    def timed() -> None:
        mine.append(time_call(lambda: prune(model, pictures, check)))

    benchmark.group = "overhead"
    benchmark.pedantic(timed, setup=before, rounds=ROUNDS)
    benchmark.extra_info["overhead"] = {
        "keep_macs": count(pruned).macs / costs(model, pruned.table).dense.macs,
        "torch_pruning_seconds": median(theirs),
        "times_faster": median(b / a for a, b in zip(mine, theirs, strict=True)),
    }
