"""CPU seconds to prune a dense network, measured in turn with torch-pruning's own pruner.

One cut to half of the MACs, and a ladder of five keeps, each pruned from the one before. PruneBench: analysis (with
its check, without, or kept from an earlier run), scores, selection and removal. torch-pruning: graph, scores and steps
to the same share of units, without a check. Networks at 224 pixels, and the choice among single weights of ResNet-18,
are marked slow: run them with ``-m slow``.
"""

import gc
import time
from collections.abc import Callable, Sequence
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
from prunebench.pruning.cost import WeightCosts, costs, count
from prunebench.pruning.masks import KeptWeights, kept_weights
from prunebench.pruning.network import Network, Table
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Ranking, Rule, select
from prunebench.records.budget import Keep
from prunebench.records.names import ScoreRanking
from prunebench.scoring.score import score

KEEP = 0.5
LADDER = (0.8, 0.64, 0.51, 0.41, 0.33)
ROUNDS = 3
ANALYSES = ("checked", "unchecked", "kept")
CASES = [
    ("mobilenet_v2", 32),
    *(pytest.param(name, 224, marks=pytest.mark.slow) for name in ("mobilenet_v2", "resnet50", "densenet121")),
]


def prune(model: nn.Module, table: Callable[[], Table], keeps: Sequence[float] = (KEEP,)) -> Network:
    network = Network.dense(model, table())
    dense = costs(model, network.table)
    for keep in keeps:
        scores = score(CRITERION, network, [], torch.Generator())
        network = remove(network, select(scores, network, dense, Keep("macs", keep), Rule()).remove)
    return network


def prune_by_theirs(model: nn.Module, pictures: Tensor, keep_units: float, steps: int = 1) -> None:
    last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    importance = tp.importance.MagnitudeImportance(p=2)
    ratio, kept = 1 - keep_units, [last]
    pruner = tp.pruner.MetaPruner(
        model, pictures, importance, pruning_ratio=ratio, iterative_steps=steps, ignored_layers=kept
    )
    for _ in range(steps):
        pruner.step()


def time_call(call: Callable[[], object]) -> float:
    gc.collect()  # so that each pays for its own garbage alone
    start = time.process_time()
    call()
    return time.process_time() - start


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.parametrize(("name", "size"), CASES)
def test_overhead(benchmark: BenchmarkFixture, name: str, size: int, analysis: str) -> None:
    compare(benchmark, name, size, analysis, (KEEP,))


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.parametrize(("name", "size"), CASES)
def test_ladder(benchmark: BenchmarkFixture, name: str, size: int, analysis: str) -> None:
    compare(benchmark, name, size, analysis, LADDER)


def compare(benchmark: BenchmarkFixture, name: str, size: int, analysis: str, keeps: Sequence[float]) -> None:
    model, pictures = get_model(name, weights=None).eval(), torch.randn(1, 3, size, size)
    known = analyse(model, pictures)

    def table() -> Table:
        return known if analysis == "kept" else analyse(model, pictures, check=analysis == "checked")

    pruned = prune(model, table, keeps)
    keep_units = sum(pruned.units.values()) / sum(group.units for group in pruned.table.groups)
    prune_by_theirs(deepcopy(model), pictures, keep_units, len(keeps))  # warms it up, as `prune` above warmed ours up
    mine: list[float] = []
    theirs: list[float] = []

    def before() -> None:
        copy = deepcopy(model)
        theirs.append(time_call(lambda: prune_by_theirs(copy, pictures, keep_units, len(keeps))))

    def timed() -> None:
        mine.append(time_call(lambda: prune(model, table, keeps)))

    benchmark.group = "overhead"
    benchmark.pedantic(timed, setup=before, rounds=ROUNDS)
    benchmark.extra_info["overhead"] = {
        "keep_macs": count(pruned).macs / costs(model, pruned.table).dense.macs,
        "seconds": median(mine),
        "torch_pruning_seconds": median(theirs),
        "times_faster": median(b / a for a, b in zip(mine, theirs, strict=True)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("ranking", ["global", "local"])
def test_choice_among_single_weights(benchmark: BenchmarkFixture, ranking: ScoreRanking) -> None:
    model = get_model("resnet18", weights=None).eval()
    network = Network.dense(model, analyse(model, torch.randn(1, 3, 64, 64), check=False))
    pool = KeptWeights(kept_weights(network))
    counts = {layer: len(kept) for layer, kept in pool.kept.items()}
    prices = WeightCosts(costs(model, network.table).dense, counts)
    scores = {layer: model.get_parameter(f"{layer}.weight").detach().abs().flatten() for layer in counts}
    rule, found = Rule(Ranking(ranking), floor=0.0), list[float]()

    def timed() -> None:
        found.append(time_call(lambda: select(scores, pool, prices, Keep("weights", 0.2), rule)))

    benchmark.group = "single weights"
    benchmark.pedantic(timed, rounds=ROUNDS)
    benchmark.extra_info["overhead"] = {"weights": sum(counts.values()), "seconds": min(found)}
