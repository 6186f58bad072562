"""LASSO: units ranked by a sparse regression of the next layer's outputs (He, Zhang & Sun, ICCV 2017)."""

import random
import warnings
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunebench import Group, ModelScore, Network, Ranking, unit_weights
from prunebench.criteria._contributions import reader_grams


def entries(gram: Tensor, norms: Tensor, instances: int) -> Tensor:
    """Largest lambda at which each beta_j is not zero; 0 where beta_j is always zero (eq. 3, step i).

    Let x_ij be what unit j adds to instance i of the outputs reading the unit. Let ||W_j|| be the norm of the weights
    that read unit j. beta minimises sum_i (sum_j x_ij - sum_j beta_j x_ij / ||W_j||)^2 / 2N + lambda sum_j |beta_j|.

    gram: (units, units), sum_i x_ij x_ik. norms: (units,), ||W_j||. instances: N. Returns (units,) in float64.

    >>> x = torch.diag(torch.tensor([3.0, 4.0, 2.0]))  # orthogonal: lambda_j = sum_i x_ij^2 / ||W_j|| / N
    >>> entries(x.T @ x, torch.tensor([1.0, 4.0, 0.5]), 1).tolist()
    [9.0, 4.0, 8.0]
    """
    random_state = random.getstate()  # the import of scikit-learn may draw random numbers
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lars_path_gram

    random.setstate(random_state)
    scale = torch.where(norms > 0, 1 / norms.double(), 0)
    target = scale * gram.double().sum(dim=1)
    scaled = scale[:, None] * gram.double() * scale
    size = float(scaled.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny))  # LARS has absolute thresholds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # from units that others replace: these never enter
        knots, _, betas = lars_path_gram(
            (target / size).cpu().numpy(),
            (scaled / size).cpu().numpy(),
            n_samples=1,
            max_iter=10 * len(gram),
            method="lasso",
        )
    nonzero = torch.from_numpy(betas != 0)  # (units, knots); a beta is still zero at the knot where its unit enters
    entered = torch.from_numpy(knots)[(nonzero.int().argmax(dim=1) - 1).clamp_min(0)]
    return torch.where(nonzero.any(dim=1), entered, 0).to(gram.device) * size / instances


def lasso(
    network: Network,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    locations: Annotated[int, Field(ge=1)] = 10,
) -> dict[str, Tensor]:
    """Largest lambda at which a unit is on the LASSO path of the outputs of the layers that read the unit.

    He et al. raise lambda until no more units than wanted have a beta that is not zero. For every wanted number, these
    are the units of the highest scores here, unless a unit leaves the path while lambda falls. A unit that comes back
    counts from its first entry. Units that never enter, since they add nothing or others replace them exactly, share
    the score 0.

    As in the paper, the weights that read a unit have ||W_j||_F = 1 and are fixed while beta is sought. The target has
    no bias, and nothing is centred. Where several layers read a unit, the norm covers all of them, and their instances
    make one regression. Step ii, the reconstruction of the weights, is left out. Instances are random elements of the
    outputs, `locations` for each picture and layer; the paper takes all channels at random positions.

    batches: pairs (pictures, labels). generator: draws the elements. Returns (units,) by layer.
    """
    grams = reader_grams(network, batches, generator, locations)
    instances = locations * sum(len(labels) for _, labels in batches)
    return network.by_layer(
        {g.name: entries(grams[g.name], reading_norms(network, g), instances) for g in network.table.groups}
    )


@torch.no_grad()
def reading_norms(network: Network, group: Group) -> Tensor:
    """Norm of the weights that read each unit, in all layers together. Returns (units,)."""
    squares = [piece.sums(torch.square) for piece in unit_weights(network, group) if piece.side == "in"]
    return torch.stack(squares).sum(dim=0).sqrt()


CRITERION = ModelScore(
    lasso,
    coupling="first",
    published=Ranking("local"),
    reference="He, Zhang, Sun. Channel Pruning for Accelerating Very Deep Neural Networks. ICCV 2017, eq. 3",
)
