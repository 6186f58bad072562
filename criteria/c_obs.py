"""C-OBS: Optimal Brain Surgeon of single weights, added up over a unit (Wang et al., ICML 2019, a baseline).

With the Fisher matrix F = S (x) A of `_kfac`, let all other weights change as well as they can (Hassibi & Stork, NIPS
1992). Then the removal of weight j of unit i costs 1/2 theta_ij^2 / [F^-1]_(ij)(ij), where

    [F^-1]_(ij)(ij) = [S^-1]_ii [A^-1]_jj.

The sum over j counts the removals as if each were made alone. In a grouped convolution, F is that of each group by
itself.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunebench import ModelScore, Ranking
from prunebench.criteria._kfac import (
    Damping,
    Labels,
    Layer,
    Seen,
    empty_s,
    inverse_diagonal,
    show_layers,
    units_of,
    weight_layers,
)
from prunebench.criteria._patches import add_to, empty_gram


def c_obs(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    labels: Labels = "sampled",
    damping: Damping = 0.01,
) -> dict[str, Tensor]:
    """1/2 sum_j theta_ij^2 / ([S^-1]_ii [A^-1]_jj), with the bias among the weights of a unit.

    The change of the other weights is not made: `--repair least-squares` refits weights after a cut. The diagonals of S
    and A grow by the share `damping`; the authors add nearly nothing (1e-10).

    The cost grows with pictures, positions and the square of a layer's fan-in, then with its cube. The memory is that
    of A and S in float64 for all layers, and of a few more such matrices for one layer at a time.

    Args:
        model: in eval mode, parameters trainable.
        batches: pairs (pictures, labels).
        generator: draws the labels.
        labels: ``sampled`` from the network's predictions, or ``true`` ones (the empirical Fisher matrix).
        damping: above 0, at most 1,000.

    Returns:
        {layer: (units,)} for every convolution and linear layer, loss.
    """
    layers = weight_layers(model)
    read = {name: empty_gram(layer, bias=True) for name, layer in layers.items()}
    given = {name: empty_s(layer) for name, layer in layers.items()}

    def take(name: str, layer: Layer, seen: Seen) -> None:
        given[name] += seen.gram(layer)
        add_to(read[name], layer, seen.inputs)

    show_layers(model, batches, generator, labels, take)
    samples = sum(len(true_labels) for _, true_labels in batches)
    return {
        name: _costs(layer, read[name] / samples, given[name] / samples, damping).to(layer.weight)
        for name, layer in layers.items()
    }


def _costs(layer: Layer, read: Tensor, given: Tensor, damping: float) -> Tensor:
    """Add up the costs of a unit's weights. read, given: A and S of each group of a convolution. Returns (units,)."""
    weight = layer.weight.detach().flatten(1).double()
    if layer.bias is not None:
        weight = torch.cat([weight, layer.bias.detach().double()[:, None]], dim=1)
    inputs = inverse_diagonal(read, damping).repeat_interleave(units_of(layer), dim=0)  # (units, fan_in)
    return 0.5 * (weight.square() / inputs).sum(dim=1) / inverse_diagonal(given, damping).flatten()


CRITERION = ModelScore(
    c_obs,
    scale="loss",
    costly=True,
    published=Ranking("global"),
    reference="Wang, Grosse, Fidler, Zhang. EigenDamage. ICML 2019, C-OBS",
)
