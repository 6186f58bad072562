"""Group Hessian importance against torch-pruning itself, given the sums that its own accumulation would lose."""

import pytest
import torch
import torch_pruning as tp
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criteria.tp_hessian import CRITERION
from prunebench.pruning.network import Network
from prunebench.scoring.layers import Batches
from prunebench.scoring.score import score
from prunebench.testing import toys


def theirs(network: Network, batches: Batches, mended: bool) -> dict[str, Tensor]:
    """Follow torch-pruning's example. mended: add up squares and count pictures, as it means to."""
    model, importance = network.model.eval(), tp.importance.GroupHessianImportance()
    graph = tp.DependencyGraph().build_dependency(model, batches[0][0])
    sums = {parameter: torch.zeros_like(parameter) for parameter in model.parameters()}
    count = 0
    for pictures, labels in batches:
        for loss in F.cross_entropy(model(pictures), labels, reduction="none"):
            model.zero_grad()
            loss.backward(retain_graph=True)
            importance.accumulate_grad(model)
            count += 1
            for parameter, total in sums.items():
                total += parameter.grad.square() if parameter.grad is not None else 0
    if mended:
        importance._accu_grad, importance._counter = sums, dict.fromkeys(sums, count)
    found = {}
    for group in network.table.groups:
        layer = network.layer(group.producers[0])
        remove = tp.prune_conv_out_channels if isinstance(layer, nn.Conv2d) else tp.prune_linear_out_channels
        found[group.name] = importance(graph.get_pruning_group(layer, remove, list(range(group.units))))
    return found


@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise", "dense", "pre-activation"])
def test_it_is_torch_prunings_of_all_pictures(toy: str) -> None:
    network = toys.TOYS[toy]()
    found, expected = (
        score(CRITERION, network, toys.batches(), torch.Generator()),
        theirs(network, toys.batches(), True),
    )
    for name, values in found.items():
        torch.testing.assert_close(values.float(), expected[name].float(), rtol=2e-5, atol=1e-7)


def test_as_it_stands_torch_pruning_looks_at_the_last_picture_alone() -> None:
    network = toys.chain()
    last = [(pictures[-1:], labels[-1:]) for pictures, labels in toys.batches()][-1:]
    expected = theirs(network, toys.batches(), False)
    found = score(CRITERION, network, last, torch.Generator())
    for name, values in found.items():
        torch.testing.assert_close(values.float(), expected[name].float(), rtol=2e-5, atol=1e-7)
