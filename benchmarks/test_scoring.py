"""What scores cost: seconds and peak memory of every registered criterion, in turn with a plain forward-backward pass.

Both go over the same batches in the same run; the ratio is that of the smallest of a few times. Memory is what a call
adds at its peak to what the process holds (Linux). LeNet-5 by default; VGG16-BN at 32 pixels and ResNet-18 are marked
slow: run them with ``-m slow``.
"""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criterion import AnyCriterion
from prunebench.network import Network
from prunebench.registry import get_criterion, get_model, registry
from prunebench.scoring import score
from prunebench.units import analyse

FOUND = registry(())
ROUNDS = 3
CASES = [
    ("lenet5", 1, 28),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (("vgg16_bn", 3, 32), ("resnet18", 3, 32))),
]
Batches = list[tuple[Tensor, Tensor]]


def network_of(name: str, channels: int, size: int) -> Network:
    torch.manual_seed(0)
    model = get_model(name, FOUND)(channels, size, 10).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = Network.dense(model, analyse(model, torch.randn(2, channels, size, size), check=False))
    network.gates = {group.name: torch.randn(group.units) for group in network.table.groups}
    return network


def batches_of(number: int, channels: int, size: int, batch: int = 64) -> Batches:
    draws = torch.Generator().manual_seed(0)
    pictures = [torch.randn(batch, channels, size, size, generator=draws) for _ in range(number)]
    return [(x.contiguous(memory_format=torch.channels_last), torch.arange(batch) % 10) for x in pictures]


def plain(model: nn.Module, batches: Batches) -> None:
    """One forward-backward pass over the batches."""
    model.eval()
    for pictures, labels in batches:
        F.cross_entropy(model(pictures), labels).backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def memory(call: Callable[[], object]) -> int | None:
    """Bytes that a call needs at its peak, beyond what there was before; None where that cannot be read."""
    facts, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # or what an earlier call has freed would be used again, unseen
        reset.write_text("5")  # the peak starts anew
    except (OSError, AttributeError):
        return None
    before = _kilobytes(facts, "VmRSS")
    call()
    return 1024 * (_kilobytes(facts, "VmHWM") - before)


def _kilobytes(facts: Path, name: str) -> int:
    line = next(line for line in facts.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def compare(criterion: AnyCriterion, network: Network, batches: Batches) -> dict[str, float]:
    """Seconds of scores and of plain passes, in turn, and the ratio of the smallest."""
    mine, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(seconds(lambda: plain(network.model, batches)))
        mine.append(seconds(lambda: score(criterion, network, batches, torch.Generator().manual_seed(0))))
    return {"seconds": min(mine), "plain_seconds": min(theirs), "ratio": min(mine) / min(theirs)}


@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used at all")  # an error is one, not two
@pytest.mark.parametrize("name", sorted(FOUND.criteria))
@pytest.mark.parametrize(("model", "channels", "size"), CASES)
def test_scoring(benchmark: BenchmarkFixture, name: str, model: str, channels: int, size: int) -> None:
    torch.set_num_threads(1)
    criterion, network = get_criterion(name, FOUND), network_of(model, channels, size)
    batches = batches_of(2, channels, size)
    score(criterion, network, batches, torch.Generator())  # warm, and in working order
    peak = memory(lambda: score(criterion, network, batches, torch.Generator()))
    plain_peak = memory(lambda: plain(network.model, batches))
    found: dict[str, Any] = {
        "criterion": name,
        "model": model,
        "needs": sorted(criterion.needs),
        **compare(criterion, network, batches),
        "peak_bytes": peak,
        "plain_peak_bytes": plain_peak,
        "by_batches": {str(n): compare(criterion, network, batches_of(n, channels, size)) for n in (2, 4, 8)},
        "by_width": {},  # of vgg11_bn: LeNet-5 has one width only
    }
    for width in (0.0625, 0.125, 0.25) if model == "lenet5" else ():
        wide = network_of(f"vgg11_bn:width={width}", 3, 32)
        parameters = sum(p.numel() for p in wide.model.parameters())
        found["by_width"][str(width)] = {"parameters": parameters, **compare(criterion, wide, batches_of(1, 3, 32))}
    benchmark.group = "scoring"
    call = lambda: score(criterion, network, batches, torch.Generator().manual_seed(0))  # noqa: E731
    benchmark.pedantic(call, rounds=ROUNDS)
    benchmark.extra_info["scoring"] = found
