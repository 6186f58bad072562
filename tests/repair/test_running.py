from typing import Any

import pytest
import torch
from torch import nn

from prunebench.errors import CellError
from prunebench.repair.running import in_order, run_to
from prunebench.testing import toys


def test_a_pass_ends_at_the_layer_and_leaves_no_hook() -> None:
    network = toys.chain()
    model: Any = network.model.eval()
    pictures = toys.batches()[0][0]
    model[9] = nn.Linear(1, 1)  # would fail
    read, given = run_to(model, model[6], pictures)
    torch.testing.assert_close(given, model[:7](pictures))
    torch.testing.assert_close(read, model[:6](pictures))
    assert not model[6]._forward_hooks


def test_a_network_that_fails_says_so() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        run_to(nn.Sequential(nn.Linear(2, 2), last := nn.Linear(2, 1)), last, torch.ones(1, 3))


def test_layers_are_sorted_as_they_run() -> None:
    network = toys.dense()
    names = ["linear", "conv2", "stem", "conv1"]
    assert in_order(network.model, names, toys.batches()[0][0]) == ["stem", "conv1", "conv2", "linear"]


def test_a_layer_that_does_not_run_is_named() -> None:
    model = toys.residual().model
    model.add_module("spare", nn.Linear(1, 1))
    with pytest.raises(CellError, match=r"layer 'spare' does not run as a module"):
        in_order(model, ["conv", "spare"], toys.batches()[0][0])
