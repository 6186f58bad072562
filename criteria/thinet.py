"""ThiNet: the units that the next layer misses least, chosen greedily (Luo, Wu & Lin, ICCV 2017)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.criterion import ModelScore, Ranking
from prunebench.errors import CellError
from prunebench.network import Network


def removal_order(gram: Tensor) -> Tensor:
    """Place of each unit in the greedy order of removal: 0 goes first (algorithm 1).

    With x_ij what unit j adds to instance i of the next layer's output, the next to go is the one that makes the error
    sum_i (sum_{j in T} x_ij)^2 of all units T gone by then smallest (eq. 6).

    gram: (units, units), sum_i x_ij x_ik. Returns (units,).

    >>> x = torch.tensor([[1.0, 4.0, -3.0]])  # errors 1, 16, 9; after the first 25 and 4
    >>> removal_order(x.T @ x).tolist()
    [0, 2, 1]
    """
    place = torch.full((len(gram),), -1)
    error = gram.diagonal().cpu().clone()  # of removing a unit next, less the error that there is already
    for step in range(len(gram)):
        unit = int(torch.where(place < 0, error, torch.inf).argmin())
        place[unit] = step
        error += 2 * gram[unit].cpu()
    return place


def thinet(
    network: Network, batches: Sequence[tuple[Tensor, Tensor]], generator: torch.Generator, *, locations: int = 10
) -> dict[str, Tensor]:
    """Place of a unit in the greedy order that keeps the outputs of the layers reading it as they are.

    As in the paper the instances are random elements of those outputs, `locations` of each picture and layer. Where
    several layers read a coupled group's units, their errors add up. Places of different layers cannot be compared.

    batches: of (pictures, labels). generator: draws the elements. Returns (units,) by layer, 0 = remove first. Raises
    `CellError` for less than one location.
    """
    if locations < 1:
        raise CellError(f"option locations={locations} of 'thinet' must be at least 1")
    grams: dict[str, Tensor] = {}
    handles = []
    for group in network.table.groups:
        units = network.units[group.name]
        grams[group.name] = torch.zeros(units, units, dtype=torch.float64, device=network.device)
        for name in dict.fromkeys(part.layer for part in group.slices if part.side == "in"):
            reader = network.layer(name)
            if isinstance(reader, nn.Conv2d | nn.Linear):
                hook = _add_to(grams[group.name], network.positions(group, name, "in"), locations, generator)
                handles.append(reader.register_forward_pre_hook(hook))
    try:
        with torch.no_grad():
            for pictures, _ in batches:
                network.model(pictures.to(network.device, network.dtype))
    finally:
        for handle in handles:
            handle.remove()
    places = {name: removal_order(gram).to(network.device, network.dtype) for name, gram in grams.items()}
    return network.by_layer(places)


def _add_to(
    gram: Tensor, index: Tensor, locations: int, generator: torch.Generator
) -> Callable[[nn.Module, Any], None]:
    """Make a hook that adds sum_i x_ij x_ik of a reader's input to `gram`; index: (units, k), its channels."""

    def hook(layer: nn.Module, inputs: Any) -> None:
        added = contributions(layer, inputs[0], locations, generator)
        of_units = added[:, index.to(added.device)].sum(dim=2).to(gram.dtype)
        gram.add_(of_units.T @ of_units)

    return hook


def contributions(layer: nn.Module, inputs: Tensor, locations: int, generator: torch.Generator) -> Tensor:
    """Give what each input channel adds to random elements of every example's output: (locations x batch, channels).

    The layer is linear in its input, so that is the sum over positions of the input times the element's gradient.
    """
    given = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        output = layer.forward(given).flatten(1)
    added = []
    for _ in range(locations):
        drawn = torch.randint(output.shape[1], (len(output), 1), generator=generator).to(output.device)
        (gradient,) = torch.autograd.grad(output, given, torch.zeros_like(output).scatter_(1, drawn, 1.0), True)
        product = given.detach() * gradient
        channels = product if isinstance(layer, nn.Conv2d) else product.movedim(-1, 1)
        added.append(channels.reshape(*channels.shape[:2], -1).sum(dim=2))
    return torch.cat(added)


CRITERION = ModelScore(
    thinet,
    coupling="first",
    stochastic=True,
    published=Ranking("local"),
    reference="Luo, Wu, Lin. ThiNet: A Filter Level Pruning Method for Deep Neural Network Compression. ICCV 2017",
)
