"""Seconds and peak memory of every criterion's scores, measured in turn with a plain forward-backward pass.

Both use the same batches in the same run. Seconds are CPU time of one thread; the ratio divides the smallest of a few
times each. Memory is the peak that a call adds to the process (Linux). The tests take the named criteria, by default
all registered ones, on LeNet-5. Slow tests (``-m slow``) measure growth with batches (LeNet-5) and with parameters
(VGG11-BN). They also take VGG16-BN, ResNet-18 and ResNet-20 at 32 pixels and, by default, other kinds of curvature.
"""

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.curvature.kinds import CURVATURES
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import Registry, get_model, load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.timing.bench import Bench

ROUNDS = 3
SMALL = ("lenet5", 1, 28)
LARGE = (("vgg16_bn", 3, 32), ("resnet18", 3, 32), ("resnet20", 3, 32))
KINDS = [f"obd:curvature={kind}" for kind in CURVATURES if kind not in ("sampled", "hessian")]
HESSIAN = "obd:curvature=hessian"  # on LeNet-5 with a batch of 8 only
Batches = list[tuple[Tensor, Tensor]]


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


def network_of(name: str, channels: int, size: int) -> Network:
    torch.manual_seed(0)
    model = get_model(name, load_registry(()))(channels, size, 10).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = Network.dense(model, analyse(model, torch.randn(2, channels, size, size), check=False))
    network.gates = {group.name: torch.randn(group.units) for group in network.table.groups}
    return network


def batches_of(number: int, channels: int, size: int, batch: int = 64) -> Batches:
    draws = torch.Generator().manual_seed(0)
    pictures = [torch.randn(batch, channels, size, size, generator=draws) for _ in range(number)]
    return [(x.contiguous(memory_format=torch.channels_last), torch.arange(batch) % 10) for x in pictures]


def plain(model: nn.Module, batches: Batches) -> None:
    """Do one forward-backward pass over the batches."""
    model.eval()
    for pictures, labels in batches:
        F.cross_entropy(model(pictures), labels).backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)


def time_call(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def memory(call: Callable[[], object]) -> int | None:
    """Peak of bytes that a call adds to the process; None where the peak cannot be read."""
    facts, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # or the call could reuse freed memory, which the peak does not show
        reset.write_text("5")  # the peak starts anew
    except (OSError, AttributeError):
        return None
    before = _kilobytes(facts, "VmRSS")
    call()
    return 1024 * (_kilobytes(facts, "VmHWM") - before)


def _kilobytes(facts: Path, name: str) -> int:
    line = next(line for line in facts.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def chosen(name: str, bench: Bench) -> AnyCriterion:
    criterion = parse_method(name, load_registry(bench.spec.plugin)).score
    assert criterion is not None
    return criterion


def compare(criterion: AnyCriterion, network: Network, batches: Batches) -> dict[str, float]:
    """Seconds of scores and of plain passes, measured in turn, and the ratio of the smallest."""
    mine, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(time_call(lambda: plain(network.model, batches)))
        mine.append(time_call(lambda: score(criterion, network, batches, torch.Generator().manual_seed(0))))
    return {"seconds": min(mine), "plain_seconds": min(theirs), "ratio": min(mine) / min(theirs)}


@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used at all")  # or a failed test would give two errors
def test_scoring(benchmark: BenchmarkFixture, bench: Bench, priced: Case) -> None:
    torch.set_num_threads(1)
    criterion, network = chosen(priced.name, bench), network_of(priced.model, priced.channels, priced.size)
    batches = batches_of(1 if priced.batch < 64 else 2, priced.channels, priced.size, priced.batch)
    times = compare(criterion, network, batches)  # first, so that the set-up of a first call does not count as memory
    peak = memory(lambda: score(criterion, network, batches, torch.Generator()))
    plain_peak = memory(lambda: plain(network.model, batches))
    benchmark.group = "scoring"
    benchmark.extra_info["scoring"] = {
        "criterion": priced.name,
        "model": priced.model,
        "needs": sorted(criterion.needs),
        "pictures": sum(len(labels) for _, labels in batches),
        **times,
        "peak_bytes": peak,
        "plain_peak_bytes": plain_peak,
    }
    benchmark.pedantic(lambda: score(criterion, network, batches, torch.Generator().manual_seed(0)))


@pytest.mark.slow
def test_growth(benchmark: BenchmarkFixture, bench: Bench, grown: str) -> None:
    torch.set_num_threads(1)
    criterion, network = chosen(grown, bench), network_of(*SMALL)
    by_batches = {str(n): compare(criterion, network, batches_of(n, 1, 28)) for n in (2, 4, 8)}
    by_width = {}
    for width in (0.0625, 0.125, 0.25):
        wide = network_of(f"vgg11_bn:width={width}", 3, 32)
        parameters = sum(p.numel() for p in wide.model.parameters())
        by_width[str(width)] = {"parameters": parameters, **compare(criterion, wide, batches_of(1, 3, 32))}
    benchmark.group = "growth"
    benchmark.extra_info["growth"] = {"criterion": grown, "by_batches": by_batches, "by_width": by_width}
    benchmark.pedantic(lambda: score(criterion, network, batches_of(2, 1, 28), torch.Generator().manual_seed(0)))
