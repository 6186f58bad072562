"""Kron-OBD: OBD of a whole unit with the Kronecker-factored Fisher matrix of its layer (Wang et al., ICML 2019).

With the factors S and A of `_kfac`, removing unit i changes the loss by 1/2 S_ii theta_i^T A theta_i. Since
theta_i^T a_nt is the unit's output y_nti, theta_i^T A theta_i = mean_n sum_t y_nti^2, and no matrix has to be built.
(The authors' code computes sum_jk theta_ij^2 A_jk in place of theta_i^T A theta_i.)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunebench import ModelScore, Ranking
from prunebench.criteria._kfac import Labels, Layer, Seen, axis_of, show_layers, weight_layers


def kron_obd(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    labels: Labels = "sampled",
) -> dict[str, Tensor]:
    """1/2 S_ii theta_i^T A theta_i; each factor is averaged over all samples before the factors are multiplied.

    Args:
        model: in eval mode, parameters trainable.
        batches: pairs (pictures, labels).
        generator: draws the labels.
        labels: ``sampled`` from the network's predictions, or ``true`` ones (the empirical Fisher matrix).

    Returns:
        {layer: (units,)} for every convolution and linear layer, loss.
    """
    layers = weight_layers(model)
    factors = {name: layer.weight.new_zeros(2, len(layer.weight)) for name, layer in layers.items()}

    def take(name: str, layer: Layer, seen: Seen) -> None:
        factors[name] += torch.stack([output_squares(seen.output, layer), seen.squares(layer)])

    show_layers(model, batches, generator, labels, take)
    samples = sum(len(true_labels) for _, true_labels in batches)
    return {name: 0.5 * total.div(samples).prod(dim=0) for name, total in factors.items()}


def output_squares(output: Tensor, layer: nn.Module) -> Tensor:
    """Sum a unit's squared outputs: n theta_i^T A theta_i of n samples. Returns (units,)."""
    return output.movedim(axis_of(layer), 0).flatten(1).square().sum(dim=1)


CRITERION = ModelScore(
    kron_obd,
    scale="loss",
    published=Ranking("global"),
    reference="Wang, Grosse, Fidler, Zhang. EigenDamage. ICML 2019, Kron-OBD",
)
