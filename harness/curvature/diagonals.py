"""Diagonals of the loss's curvature, layer by layer, averaged over the samples of a batch.

For cross-entropy, the Gauss-Newton matrix of one sample is J^T (diag(p) - p p^T) J. J is the Jacobian of the logits and
p = softmax(logits). This matrix equals the Fisher information E_{y ~ p}[g_y g_y^T], with g_y the gradient for label y.
Its diagonal is a mean of *squared per-sample* gradients, not the square of the batch's mean gradient.

- ``sampled``: of the Gauss-Newton matrix, unbiased, from random vectors where it is large (`curvature.sampling`).
- ``exact``: of the Gauss-Newton matrix, without sampling: one backward pass per class but one.
- ``empirical``: of the empirical Fisher matrix (true labels); no estimate of the Gauss-Newton matrix.
- ``hessian``, ``hutchinson``: of the Hessian, exact or estimated with random probes (`curvature.hessian`).
- ``lecun``: second derivatives propagated back as in Optimal Brain Damage (`curvature.lecun`).

Sources: Schraudolph, Neural Computation 2002; Martens, JMLR 2020; Kunstner, Balles & Hennig, NeurIPS 2019.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from prunebench.curvature.hessian import hessian, hutchinson
from prunebench.curvature.kinds import Curvature
from prunebench.curvature.layer_gradients import squares
from prunebench.curvature.lecun import lecun
from prunebench.curvature.sampling import draw, times_root
from prunebench.curvature.taps import Diagonals, Sums, backward, tapped
from prunebench.errors import CellError
from prunebench.pruning.network import Network

PICTURES, VECTORS = 16, 16  # gradients that `exact` holds at once, as many as a pass over four batches of 64 pictures


def diagonals(
    network: Network,
    layers: Sequence[str],
    batch: tuple[Tensor, Tensor],
    generator: torch.Generator,
    curvature: Curvature | None = None,
) -> Diagonals:
    """Give the diagonals of each layer's weight, (units, fan_in), and bias, (units,), averaged over the samples.

    Args:
        network: in eval mode, with frozen parameters.
        layers: names of convolutions and linear layers.
        batch: pictures (batch, channels, height, width) and labels (batch,), on the network's device.
        generator: for random draws.
        curvature: which diagonal; by default ``sampled`` with its default number of draws.
    """
    pictures, labels = batch
    curvature = curvature or Curvature()
    match curvature.kind:
        case "sampled":
            return _sampled(network, layers, pictures, generator, curvature.draws)
        case "exact":
            return _exact(network, layers, pictures)
        case "empirical":
            return _empirical(network, layers, pictures, labels)
        case "hutchinson":
            return hutchinson(network, layers, batch, generator, probes=int(curvature.draws))
        case "hessian":
            return hessian(network, layers, pictures, labels)
        case "lecun":
            return lecun(network, layers, pictures, labels)


def _sampled(
    network: Network, layers: Sequence[str], pictures: Tensor, generator: torch.Generator, draws: float
) -> Diagonals:
    """Square the gradients of drawn vectors, as many vectors at a time as the batch has pictures."""
    with torch.no_grad():
        p = network.model(pictures).softmax(dim=1).cpu()
    if not p.isfinite().all():
        raise CellError("the network's outputs on the calibration pictures are not finite")
    drawn = draw(p, max(1, round(draws * len(pictures))), generator)
    sums = Sums(network, layers)
    pieces = (torch.split(part.to(pictures.device), len(pictures)) for part in drawn)
    for numbers, vectors in zip(*pieces, strict=True):
        if len(numbers):  # no vector is drawn if the network is certain of every picture
            _add_squares(network, sums, pictures[numbers], vectors)
    return sums.mean(len(pictures))


def _empirical(network: Network, layers: Sequence[str], pictures: Tensor, labels: Tensor) -> Diagonals:
    sums = Sums(network, layers)
    _add_squares(network, sums, pictures, labels)
    return sums.mean(len(pictures))


def _add_squares(network: Network, sums: Sums, pictures: Tensor, target: Tensor) -> None:
    """Add squared per-sample gradients. target: gradients at the logits (batch, classes), or labels (batch,)."""

    def consume(name: str, inputs: Tensor, gradient: Tensor) -> None:
        sums.add(name, squares(network.layer(name), inputs, gradient[None]))

    with tapped(network, sums.layers, consume) as anchor:
        logits = network.model(pictures)
        if target.ndim == 1:
            target = logits.detach().softmax(dim=1) - F.one_hot(target, logits.shape[1])
        backward(logits, anchor, target)


def _exact(network: Network, layers: Sequence[str], pictures: Tensor) -> Diagonals:
    """Square the gradients of every column of the root R, for a few pictures and columns at a time."""
    sums = Sums(network, layers)
    waiting: dict[str, list[Tensor]] = defaultdict(list)
    wanted = 0

    def consume(name: str, inputs: Tensor, gradient: Tensor) -> None:
        waiting[name].append(gradient)
        if len(waiting[name]) == wanted:
            sums.add(name, squares(network.layer(name), inputs, torch.stack(waiting.pop(name))))

    for some in torch.split(pictures, PICTURES):
        with tapped(network, layers, consume) as anchor:
            logits = network.model(some)
            p, columns = logits.detach().softmax(dim=1), logits.shape[1] - 1
            for start in range(0, columns, VECTORS):
                wanted = min(VECTORS, columns - start)
                for column in range(start, start + wanted):
                    one = F.one_hot(torch.full((len(some),), column, device=p.device), columns).to(p.dtype)
                    backward(logits, anchor, times_root(p, one), again=column + 1 < columns)
    return sums.mean(len(pictures))
