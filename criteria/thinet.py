"""ThiNet: greedy removal of the units that change the next layer least (Luo, Wu & Lin, ICCV 2017)."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunebench import ModelScore, Network, Ranking
from prunebench.criteria._contributions import reader_grams


def removal_order(gram: Tensor) -> Tensor:
    """Place of each unit in the greedy order of removal: 0 goes first (algorithm 1).

    Let x_ij be what unit j adds to instance i of the next layer's output, and T the set of removed units. The next unit
    to go is the one that makes the error sum_i (sum_{j in T} x_ij)^2 smallest (eq. 6).

    gram: (units, units), sum_i x_ij x_ik. Returns (units,).

    >>> x = torch.tensor([[1.0, 4.0, -3.0]])  # errors 1, 16, 9; after the first 25 and 4
    >>> removal_order(x.T @ x).tolist()
    [0, 2, 1]
    """
    place = torch.full((len(gram),), -1)
    error = gram.diagonal().cpu().clone()  # what the removal of a unit would add to the error
    for step in range(len(gram)):
        unit = int(torch.where(place < 0, error, torch.inf).argmin())
        place[unit] = step
        error += 2 * gram[unit].cpu()
    return place


def thinet(
    network: Network,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    locations: Annotated[int, Field(ge=1)] = 10,
) -> dict[str, Tensor]:
    """Place of each unit in the greedy order that changes the outputs of the layers reading the unit least.

    As in the paper, the instances are random elements of those outputs, `locations` for each picture and layer. Where
    several layers read a coupled group's units, their errors add up. Places of different layers cannot be compared.

    batches: pairs (pictures, labels). generator: draws the elements. Returns (units,) by layer, 0 = remove first.
    """
    grams = reader_grams(network, batches, generator, locations)
    return network.by_layer({group: removal_order(gram) for group, gram in grams.items()})


CRITERION = ModelScore(
    thinet,
    coupling="first",
    published=Ranking("local"),
    reference="Luo, Wu, Lin. ThiNet: A Filter Level Pruning Method for Deep Neural Network Compression. ICCV 2017",
)
