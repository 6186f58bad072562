"""Block OBD against the explicit Fisher block from per-sample gradients."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from prunebench.criteria.block_obd import CRITERION
from prunebench.scoring.score import score
from prunebench.testing import toys


@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise"])
def test_it_is_half_the_quadratic_form_of_the_units_fisher_block(toy: str) -> None:
    network, batches = toys.TOYS[toy](), toys.batches()
    network.model.eval()
    pictures, labels = torch.cat([p for p, _ in batches]), torch.cat([y for _, y in batches])
    state = {name: p.detach() for name, p in network.model.named_parameters()}

    def loss(parameters: dict[str, Tensor], picture: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(network.model, parameters, (picture[None],)), label[None])

    gradients = vmap(grad(loss), (None, 0, 0))(state, pictures, labels)
    scores = score(CRITERION, network, batches, torch.Generator())
    for group in network.table.groups:
        once = [layer for layer in group.producers if (toy, layer) != ("depthwise", "0")]  # removed by the next one
        names = [f"{layer}.{kind}" for layer in once for kind in ("weight", "bias")]
        names = [name for name in names if name in state]
        for unit in range(group.units):
            w = torch.cat([state[name][unit].flatten() for name in names])
            g = torch.cat([gradients[name][:, unit].reshape(8, -1) for name in names], dim=1)
            block = g.T @ g / len(g)
            torch.testing.assert_close(scores[group.name][unit], 0.5 * w @ block @ w, rtol=1e-9, atol=1e-15)
