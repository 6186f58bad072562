"""SynFlow: synaptic flow through the absolute weights (Tanaka et al., NeurIPS 2020), summed over a unit."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

from prunebench import ModelScore, Ranking


def synflow(
    model: nn.Module, batches: Sequence[tuple[Tensor, Tensor]], generator: torch.Generator
) -> dict[str, Tensor]:
    """Sum of (dR/dw) w over a unit's weights; R is the summed output of absolute weights for a picture of ones.

    On plain networks without biases R = 1^T |W_L| ... |W_1| 1, and the scores of every layer add up to R (theorem 2).
    As in the authors' code, BatchNorm is in eval mode. Biases and running statistics are taken absolutely, too. So
    before training BatchNorm changes nothing; afterwards it still subtracts its means. R grows exponentially with depth
    and is computed in double precision, on copies.

    Clips such as ReLU6's are lifted: the flow is far above them, where no gradient passes.

    Tanaka et al. prune in 100 rounds, each with new scores. In a single round, they find, whole layers vanish.

    batches: the first gives the size of the pictures; no data are used. generator: not used. Returns (units,) by layer,
    never negative, in double precision.

    >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    >>> net[0].weight.data, net[2].weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.tensor([[1.0, -2.0]])
    >>> flow = synflow(net, [(torch.zeros(1, 2), torch.zeros(1))], torch.Generator())
    >>> {name: scores.tolist() for name, scores in flow.items()}  # 3 x 1 and 3 x 2
    {'0': [3.0, 6.0], '2': [9.0]}
    """
    tensors = chain(model.named_parameters(), model.named_buffers())
    absolute = {name: value.detach().abs().double() for name, value in tensors if value.is_floating_point()}
    layers = [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    weights = [absolute[f"{name}.weight"].requires_grad_() for name in layers]
    ones = torch.ones_like(batches[0][0][:1], dtype=torch.float64, device=weights[0].device)
    with _unclipped(model):
        flow = functional_call(model, absolute, (ones,)).sum()
    gradients = torch.autograd.grad(flow, weights, allow_unused=True, materialize_grads=True)
    scores = zip(layers, weights, gradients, strict=True)
    return {name: (w.detach() * gradient).abs().flatten(1).sum(dim=1) for name, w, gradient in scores}


@contextmanager
def _unclipped(model: nn.Module) -> Iterator[None]:
    """Lift the limit of ReLU6 and similar clips: the flow is far above the limit, where no gradient passes."""
    clips = [(module, module.max_val) for module in model.modules() if isinstance(module, nn.Hardtanh)]
    try:
        for module, _ in clips:
            module.max_val = math.inf
        yield
    finally:
        for module, limit in clips:
            module.max_val = limit


CRITERION = ModelScore(
    synflow,
    published=Ranking("global"),
    reference="Tanaka et al. Pruning neural networks without any data by iteratively conserving synaptic flow. "
    "NeurIPS 2020",
)
