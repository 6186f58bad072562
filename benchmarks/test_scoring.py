"""Seconds and peak memory of every criterion's scores, measured in turn with a plain forward-backward pass.

Both use the same batches in the same run. Seconds are CPU time of one thread; the ratio divides the smallest of a few
times each. Memory is the peak that a call adds to the process (Linux). The tests take the named criteria, by default
all registered ones, on LeNet-5. Slow tests (``-m slow``) measure growth with pictures and units (VGG11-BN). They also
take VGG16-BN, ResNet-18 and ResNet-20 at 32 pixels and, by default, other kinds of curvature.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from prunebench.curvature.kinds import CURVATURES
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import Registry, load_registry
from prunebench.pruning.network import Network
from prunebench.scoring.layers import Batches
from prunebench.scoring.score import score
from prunebench.timing.bench import Bench
from prunebench.timing.pricing import growth, noise, price, untrained

SMALL = ("lenet5", 1, 28)
LARGE = (("vgg16_bn", 3, 32), ("resnet18", 3, 32), ("resnet20", 3, 32))
KINDS = [f"obd:curvature={kind}" for kind in CURVATURES if kind not in ("sampled", "hessian")]
HESSIAN = "obd:curvature=hessian"  # on LeNet-5 with a batch of 8 only


@dataclass(frozen=True)
class Case:
    """A criterion on pictures (channels, size, size) for a model."""

    name: str
    model: str
    channels: int
    size: int
    batch: int = 64

    def __str__(self) -> str:
        return f"{self.name}-{self.model}"


def cases(asked: Sequence[str], known: Registry) -> list[Any]:
    """Return the cases of `test_scoring`: the named criteria, else all registered ones and other kinds of curvature."""
    names, kinds = asked or sorted(known.criteria), [] if asked else KINDS
    quick = [Case(name, *SMALL, 8 if name == HESSIAN else 64) for name in names]
    slow = [Case(name, *SMALL) for name in kinds] + ([] if asked else [Case(HESSIAN, *SMALL, 8)])
    slow += [Case(name, *model) for model in LARGE for name in [*names, *kinds] if name != HESSIAN]
    marked = [(quick, ()), (slow, pytest.mark.slow)]
    return [pytest.param(case, id=str(case), marks=marks) for found, marks in marked for case in found]


def chosen(name: str, bench: Bench) -> AnyCriterion:
    criterion = parse_method(name, load_registry(bench.spec.plugin)).score
    assert criterion is not None
    return criterion


def scoring(criterion: AnyCriterion, network: Network, batches: Batches) -> Callable[[], object]:
    """Return the call that is measured."""
    return lambda: score(criterion, network, batches, torch.Generator().manual_seed(0))


@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used at all")  # or a failed test would give two errors
def test_scoring(benchmark: BenchmarkFixture, bench: Bench, priced: Case) -> None:
    torch.set_num_threads(1)
    criterion, known = chosen(priced.name, bench), load_registry(bench.spec.plugin)
    network = untrained(priced.model, priced.channels, priced.size, known)
    batches = noise(1 if priced.batch < 64 else 2, priced.channels, priced.size, priced.batch)
    call = scoring(criterion, network, batches)
    told = {"criterion": priced.name, "model": priced.model, "needs": sorted(criterion.needs)}
    benchmark.group = "scoring"
    benchmark.extra_info["scoring"] = told | price(call, network.model, batches)
    benchmark.pedantic(call)


@pytest.mark.slow
def test_growth(benchmark: BenchmarkFixture, bench: Bench, grown: str) -> None:
    torch.set_num_threads(1)
    criterion, known = chosen(grown, bench), load_registry(bench.spec.plugin)
    found = growth(lambda network, batches: scoring(criterion, network, batches), known)
    benchmark.group = "growth"
    benchmark.extra_info["growing"] = {"what": "score", "name": grown, **found}
    benchmark.pedantic(scoring(criterion, untrained(*SMALL, known), noise(2, 1, 28)))
