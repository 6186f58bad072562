"""Toy networks with a cut, and what each cut changes, written down by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from prunebench.pruning.network import Group, Network, Slice
from prunebench.pruning.removal import remove
from prunebench.testing import toys


@dataclass(frozen=True)
class Case:
    """readers: in the order of execution, each with the module that takes its offset ("" if none can).

    twins: by group, removed unit -> kept unit.
    """

    build: Callable[[], Network]
    twins: dict[str, dict[int, int]]
    readers: dict[str, str]

    def cut(self, before: Network) -> Network:
        return remove(before, {name: torch.tensor(list(pairs)) for name, pairs in self.twins.items()})


def reading_grouped() -> Network:
    """A convolution with two groups that reads units tied over both groups."""
    network = toys.grouped()
    tied = torch.arange(4).view(2, 2).T
    first = Group("0", 2, ("0",), (Slice("0", "out", tied), Slice("2", "in", tied)))
    return Network.dense(network.model, replace(network.table, groups=(first, *network.table.groups)))


CASES = {
    "chain": Case(
        toys.chain, {"0": {1: 0, 4: 2}, "2": {0: 3}, "6": {2: 1, 5: 4, 7: 0}}, {"2": "3", "6": "6", "9": "9"}
    ),
    "residual": Case(toys.residual, {"stem": {0: 1, 3: 2}}, {"conv": "bn2", "linear": "linear"}),
    "depthwise": Case(toys.depthwise, {"0": {2: 0}, "6": {0: 1}}, {"3": "3", "6": "6", "9": "9"}),
    "grouped": Case(reading_grouped, {"0": {0: 1}, "2": {1: 2}}, {"2": "2", "6": "6"}),
    "dense": Case(
        toys.dense,
        {"stem": {1: 0}, "conv1": {0: 2}, "conv2": {1: 0}},
        {"conv1": "", "conv2": "", "linear": "linear"},
    ),
    "pre-activation": Case(
        toys.preactivation, {"stem": {3: 1}, "conv": {0: 2}}, {"conv": "bn2", "out": "out", "linear": "linear"}
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = CASES[request.param]
    return found


@pytest.fixture
def cases() -> dict[str, Case]:
    return CASES


@pytest.fixture
def batches() -> list[tuple[Tensor, Tensor]]:
    return toys.batches(6, 8)
