from typing import Any

import torch
from torch import nn

from prunebench.pruning.masks import without
from prunebench.pruning.removal import remove
from prunebench.repair.readers import can_shift, readers
from prunebench.testing import toys


def test_readers_and_the_outputs_that_are_left(case: Any) -> None:
    before = case.build()
    after = case.cut(before)
    found = readers(before, after)
    assert found.keys() == case.readers.keys()
    for name, left in found.items():
        assert len(left) == len(after.layer(name).weight)  # type: ignore[arg-type]


def test_a_group_that_lost_nothing_has_no_readers() -> None:
    before = toys.chain()
    assert list(readers(before, remove(before, {"2": torch.tensor([1])}))) == ["6"]


def test_outputs_are_numbered_as_before_the_second_cut() -> None:
    first = remove(toys.chain(), {"2": torch.tensor([1])})
    second = remove(first, {"0": torch.tensor([0]), "2": torch.tensor([2])})
    assert readers(first, second)["2"].tolist() == [0, 2]


def test_layers_that_lost_single_weights() -> None:
    before = without(toys.chain(), {"0": torch.tensor([0])})
    found = readers(before, without(before, {"9": torch.tensor([2])}))
    assert {name: left.tolist() for name, left in found.items()} == {"9": [0, 1, 2]}


def test_a_batchnorm_without_running_statistics_takes_no_shift() -> None:
    network = toys.residual()
    assert can_shift(network, "conv")
    network.model.bn2 = nn.BatchNorm2d(5, track_running_stats=False)
    assert not can_shift(network, "conv")
