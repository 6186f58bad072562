"""The signed activation form against the published loop, and by hand."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criteria.taylor_activation import CRITERION as PER_EXAMPLE
from prunebench.criteria.taylor_activation_signed import CRITERION, absolute_l2_normalised
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.testing import toys


def published(network: Network, batches: list[tuple[Tensor, Tensor]], name: str) -> Tensor:
    """Repeat the steps of jacobgil/pytorch-pruning: z before the ReLU, the gradient of a batch's mean loss."""
    model = network.model.eval()
    total: Any = 0
    for pictures, labels in batches:
        kept: Tensor = pictures
        flow = pictures
        for layer, module in model.named_children():
            flow = F.relu(flow) if isinstance(module, nn.ReLU) else module(flow)
            kept = flow if layer == name else kept
        (gradient,) = torch.autograd.grad(F.cross_entropy(flow, labels), kept)
        values = (kept * gradient).detach().transpose(0, 1).flatten(1).sum(1)
        total = total + values / (kept.numel() / kept.shape[1])  # batch x height x width
    value: Tensor = total.abs()
    return value / value.square().sum().sqrt()


def test_with_batches_of_equal_size_it_is_what_the_published_code_computes() -> None:
    network, (first, second) = toys.chain(), toys.batches()
    batches = [(first[0][:3], first[1][:3]), second]  # 3 and 3: the gradient of a mean scales all batches alike
    assert len(second[1]) == 3
    scores = score(CRITERION, network, batches, torch.Generator())
    for group, place in (("0", "0"), ("2", "3"), ("6", "6")):  # behind its BatchNorm, where there is one
        torch.testing.assert_close(scores[group], published(network, batches, place), rtol=1e-10, atol=1e-15)


def test_what_two_batches_disagree_on_cancels() -> None:
    """Unit 0 changes the loss by +3 and -3, unit 1 by 2 and 1, unit 2 by 4 and 0."""
    activation = torch.ones(1, 3, 1)
    batches = [torch.tensor([[[3.0], [2.0], [4.0]]]), torch.tensor([[[-3.0], [1.0], [0.0]]])]
    means = [CRITERION({"activation": activation, "activation_grad": gradient}) for gradient in batches]
    scores = absolute_l2_normalised(torch.stack(means).mean(0))
    torch.testing.assert_close(scores, torch.tensor([0.0, 0.6, 0.8]))
    kept = [PER_EXAMPLE({"activation": activation, "activation_grad": gradient}) for gradient in batches]
    assert torch.stack(kept).mean(0).tolist() == [3, 1.5, 2]  # the paper's form keeps the first unit


def test_scoring_takes_the_absolute_value_last() -> None:
    """Pictures with every label in turn: where all classes are equally likely, the gradients add up to nothing."""
    network, (pictures, labels) = toys.chain(), toys.batches()[0]
    with torch.no_grad():
        last = network.layer("9")
        last.get_parameter("bias").zero_()
        last.get_parameter("weight").mul_(1e-9)
    turned = [(pictures, (labels + step) % toys.CLASSES) for step in range(toys.CLASSES)]
    for record, cancels in ((CRITERION, True), (PER_EXAMPLE, False)):
        unfinished = replace(record, finish=torch.abs)
        one, all_ = (score(unfinished, network, batches, torch.Generator())["2"] for batches in (turned[:1], turned))
        assert (one > 1e-12).any()
        assert bool((all_ < 1e-6 * one.max()).all()) == cancels


def test_a_layer_of_zeros_stays_zero() -> None:
    assert absolute_l2_normalised(torch.zeros(3)).tolist() == [0, 0, 0]
