"""GraSP: gradient signal preservation (Wang, Zhang & Grosse, ICLR 2020), summed over a unit."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench import ModelScore, Ranking


def grasp(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    temperature: Annotated[float, Field(gt=0)] = 200.0,
) -> dict[str, Tensor]:
    """Sum of w (Hg) over a unit's weights, with the loss gradient g and Hessian H: what a removal does to g.

    To first order, removing weights w changes g^T g by -2 w^T H g. The paper scores a weight by -w (Hg) and removes the
    highest scores: their removal leaves the largest gradient. Here low = remove first, so the sign turns.

    As in the authors' code, g and H are derivatives of the mean loss over all samples by the weights of convolutions
    and linear layers. The logits are divided by a `temperature`, 200 in their code. The authors score networks before
    training. Here the network is scored as it is, with BatchNorm in eval mode. A gradient of a gradient costs more than
    ten forward passes on a CPU.

    batches: pairs (pictures, labels). generator: not used. Returns (units,) by layer.

    >>> net = nn.Linear(1, 2, bias=False)  # p = (1/2, 1/2), g = (-1, 1) / 2, Hg = (-1, 1) / 4
    >>> _ = nn.init.constant_(net.weight, 4.0)
    >>> scores = grasp(nn.Sequential(net), [(torch.ones(1, 1), torch.tensor([0]))], torch.Generator(), temperature=1.0)
    >>> scores["0"].tolist()
    [-1.0, 1.0]
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    weights = [layer.weight for layer in layers.values()]
    samples = sum(len(labels) for _, labels in batches)

    def gradients(pictures: Tensor, labels: Tensor, graph: bool) -> tuple[Tensor, ...]:
        logits = model(pictures.to(weights[0])) / temperature
        loss = F.cross_entropy(logits, labels.to(logits.device), reduction="sum") / samples
        return torch.autograd.grad(loss, weights, create_graph=graph, allow_unused=True, materialize_grads=True)

    mean = [torch.zeros_like(w) for w in weights]
    for pictures, labels in batches:
        for total, gradient in zip(mean, gradients(pictures, labels, graph=False), strict=True):
            total += gradient
    products = [torch.zeros_like(w) for w in weights]
    for pictures, labels in batches:
        pairs = zip(mean, gradients(pictures, labels, graph=True), strict=True)
        inner = torch.stack([(g * gradient).sum() for g, gradient in pairs]).sum()
        gradients_again = torch.autograd.grad(inner, weights, allow_unused=True, materialize_grads=True)
        for total, product in zip(products, gradients_again, strict=True):
            total += product
    scores = zip(layers, weights, products, strict=True)
    return {name: (w.detach() * product).flatten(1).sum(dim=1) for name, w, product in scores}


CRITERION = ModelScore(
    grasp,
    published=Ranking("global"),
    reference="Wang, Zhang, Grosse. Picking Winning Tickets Before Training by Preserving Gradient Flow. ICLR 2020",
)
