"""Seconds and peak memory of every repair, measured in turn with a plain forward-backward pass of the dense network.

Half of the units of every group are cut. The tests take LeNet-5. Slow tests (``-m slow``) take VGG16-BN, ResNet-18 and
ResNet-20 at 32 pixels, and growth with pictures and units (VGG11-BN).
"""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from prunebench.plugins.registry import load_registry
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.records.names import REPAIRS, RepairName
from prunebench.repair.repairing import repair
from prunebench.scoring.layers import Batches
from prunebench.timing.pricing import growth, noise, price, untrained

HOWS = [how for how in REPAIRS if how != "none"]
QUICK = [pytest.param(how, "lenet5", 1, 28) for how in HOWS if how != "batchnorm"]
SLOW = [
    pytest.param(how, model, 3, 32, marks=pytest.mark.slow)
    for model in ("vgg16_bn", "resnet18", "resnet20")
    for how in HOWS
]


def halved(network: Network) -> Network:
    return remove(network, {group.name: torch.arange(group.units // 2) for group in network.table.groups})


def repairing(how: RepairName, before: Network, batches: Batches) -> Callable[[], object]:
    """Return the call that is measured. A network that was repaired is repaired again at the same cost."""
    return partial(repair, how, before, halved(before), batches)


@pytest.mark.parametrize(("how", "model", "channels", "size"), QUICK + SLOW)
def test_repair(benchmark: BenchmarkFixture, how: RepairName, model: str, channels: int, size: int) -> None:
    torch.set_num_threads(1)
    before, batches = untrained(model, channels, size, load_registry(())), noise(2, channels, size)
    call = repairing(how, before, batches)
    told = {"repair": how, "model": model}
    benchmark.group = "repair"
    benchmark.extra_info["repairing"] = told | price(call, before.model, batches)
    benchmark.pedantic(call)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
def test_growth_of_repairs(benchmark: BenchmarkFixture, how: RepairName) -> None:
    torch.set_num_threads(1)
    found = growth(partial(repairing, how), load_registry(()))
    benchmark.group = "growth"
    benchmark.extra_info["growing"] = {"what": "repair", "name": how, **found}
    before = untrained("vgg11_bn:width=0.0625", 3, 32, load_registry(()))
    benchmark.pedantic(repairing(how, before, noise(1, 3, 32)))
