"""What a call costs beside a plain forward-backward pass over the same pictures: seconds, peak memory and growth."""

import ctypes
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from prunebench.plugins.registry import Registry, get_model
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.scoring.layers import Batches

ROUNDS = 3
Call = Callable[[], object]
CallOn = Callable[[Network, Batches], Call]


def untrained(name: str, channels: int, size: int, registry: Registry) -> Network:
    """Build a network for ten classes, with gates and fresh weights, for pictures (channels, size, size).

    >>> from prunebench.plugins.registry import load_registry
    >>> len(untrained("lenet5", 1, 28, load_registry(())).table.groups)
    3
    """
    torch.manual_seed(0)
    model = get_model(name, registry)(channels, size, 10).eval()
    model = model.to(memory_format=torch.channels_last)
    network = Network.dense(model, analyse(model, torch.randn(2, channels, size, size), check=False))
    network.gates = {group.name: torch.randn(group.units) for group in network.table.groups}
    return network


def noise(number: int, channels: int, size: int, batch: int = 64) -> Batches:
    """Draw batches of random pictures, with labels of ten classes.

    >>> [(pictures.shape, len(labels)) for pictures, labels in noise(1, 3, 8, batch=2)]
    [(torch.Size([2, 3, 8, 8]), 2)]
    """
    draws = torch.Generator().manual_seed(0)
    pictures = [torch.randn(batch, channels, size, size, generator=draws) for _ in range(number)]
    return [(x.contiguous(memory_format=torch.channels_last), torch.arange(batch) % 10) for x in pictures]


def price(call: Call, model: nn.Module, batches: Batches) -> dict[str, float | int | None]:
    """Return seconds, plain seconds, their ratio, and peak bytes of a call: fields of `Price`, without the model.

    Seconds are CPU time of one thread, the smallest of three, in turn. Memory is taken last, so that what a first call
    sets up does not count.

    >>> batches = noise(1, 3, 8)
    >>> network = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Flatten(), nn.Linear(2304, 10))
    >>> price(lambda: [network(x) for x, _ in batches], network, batches)["pictures"]
    64
    """
    plainly = partial(_plain, model, batches)
    seconds, plain_seconds = _in_turn(call, plainly)
    return {
        "pictures": sum(len(labels) for _, labels in batches),
        "seconds": seconds,
        "plain_seconds": plain_seconds,
        "ratio": seconds / plain_seconds,
        "peak_bytes": _peak(call),
        "plain_peak_bytes": _peak(plainly),
    }


def growth(call_on: CallOn, registry: Registry) -> dict[str, float]:
    """Return how many times as long a call takes with four times the pictures and the width: fields of `Growth`.

    call_on: makes the call for a network and batches. The network is a narrow VGG11-BN.
    """
    narrow, wide = (untrained(f"vgg11_bn:width={width}", 3, 32, registry) for width in (0.0625, 0.25))
    few, many = noise(1, 3, 32), noise(4, 3, 32)
    first, plain_first = _beside_plain(narrow, few, call_on)
    found: dict[str, float] = {}
    for name, network, batches in (("pictures", narrow, many), ("units", wide, few)):
        last, plain_last = _beside_plain(network, batches, call_on)
        found |= {name: last / first, f"plain_{name}": plain_last / plain_first}
    return found


def _beside_plain(network: Network, batches: Batches, call_on: CallOn) -> tuple[float, float]:
    return _in_turn(call_on(network, batches), partial(_plain, network.model, batches))


def _in_turn(call: Call, plainly: Call) -> tuple[float, float]:
    mine, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(_seconds(plainly))
        mine.append(_seconds(call))
    return min(mine), min(theirs)


def _plain(model: nn.Module, batches: Batches) -> None:
    model.eval()
    for pictures, labels in batches:
        F.cross_entropy(model(pictures), labels).backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)


def _seconds(call: Call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _peak(call: Call) -> int | None:
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
