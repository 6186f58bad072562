"""Kron-OBS: Optimal Brain Surgeon of a whole unit with the Kronecker-factored Fisher matrix (Wang et al., ICML 2019).

With the factors S and A of `_kfac`, let the other units of the layer make up for unit i as well as they can. Then its
removal changes the loss by 1/2 theta_i^T A theta_i / [S^-1]_ii. In a grouped convolution, only the units of its own
group read the same inputs and can make up for it. As in `kron_obd`, A is not built. (The authors' code computes
sum_jk theta_ij^2 A_jk in place of theta_i^T A theta_i.)
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
    weight_layers,
)
from prunebench.criteria.kron_obd import output_squares


def kron_obs(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    labels: Labels = "sampled",
    damping: Damping = 0.01,
) -> dict[str, Tensor]:
    """1/2 theta_i^T A theta_i / [S^-1]_ii: what the removal costs after the best change of the layer's other units.

    The change itself is not made: `--repair least-squares` refits weights after a cut. The diagonal of S grows by the
    share `damping`; the authors add nearly nothing (1e-10).

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
    grams = {name: empty_s(layer) for name, layer in layers.items()}
    squares = {name: grams[name].new_zeros(len(layer.weight)) for name, layer in layers.items()}

    def take(name: str, layer: Layer, seen: Seen) -> None:
        grams[name] += seen.gram(layer)
        squares[name] += output_squares(seen.output, layer)

    show_layers(model, batches, generator, labels, take)
    samples = sum(len(true_labels) for _, true_labels in batches)
    inverses = {name: inverse_diagonal(gram / samples, damping).flatten() for name, gram in grams.items()}
    return {name: (0.5 * squares[name] / samples / inverses[name]).to(layer.weight) for name, layer in layers.items()}


CRITERION = ModelScore(
    kron_obs,
    scale="loss",
    published=Ranking("global"),
    reference="Wang, Grosse, Fidler, Zhang. EigenDamage. ICML 2019, Kron-OBS",
)
