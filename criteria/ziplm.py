"""ZipLM's structured Optimal Brain Surgeon: units go by what the best compensation cannot mend (Kurtic et al., 2023).

A layer reads X with the weights W, and H = X X^T + l I. Let S be the columns that read a unit, with I = H^-1. The
remaining weights can make up for S by the change -W_S (I_SS)^-1 I_S. Then the outputs still change by

    sum_i w_iS (I_SS)^-1 w_iS^T   (rows i of W),

the squared error, and no other change of the weights gives less.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunebench import CellError, Group, ModelScore, Network, Ranking
from prunebench.criteria._patches import add_to, empty_gram
from prunebench.criteria._readers import all_readers, readers, show_inputs


class Surgeon:
    """The weights that read a group's units in one layer, and the inverse of their Hessian, while units are removed.

    gram: X X^T, (fan_in, fan_in). weight: (rows, fan_in). columns: (units, k), those that read each unit. damping: l,
    as a share of the mean of the gram's diagonal.
    """

    def __init__(self, gram: Tensor, weight: Tensor, columns: Tensor, damping: float) -> None:
        mean = gram.diagonal().mean()
        hessian = gram + torch.eye(len(gram)).to(gram) * (damping * mean if mean > 0 else 1)
        self.inverse, self.weight, self.columns = torch.linalg.inv(hessian), weight, columns
        self.size = float(((weight @ hessian) * weight).sum())  # the error without all of the weights

    def errors(self, left: Tensor) -> Tensor:
        """Give the error that each unit adds to those that are gone. left: numbers of units, (n,). Returns (n,).

        >>> one = Surgeon(torch.eye(2), torch.tensor([[3.0, 4.0]]), torch.tensor([[0], [1]]), 1e-9)
        >>> [round(error) for error in one.errors(torch.arange(2)).tolist()]  # squares: nothing can make up for them
        [9, 16]
        """
        columns = self.columns[left]
        own = self.weight[:, columns].movedim(0, 2)  # (n, k, rows)
        blocks = self.inverse[columns[:, :, None], columns[:, None]]
        solved: Tensor = torch.linalg.solve(blocks, own)
        return (own * solved).sum(dim=(1, 2))

    def remove(self, unit: int) -> None:
        """Remove a unit: the other weights make up for it, and the Hessian loses its rows and columns."""
        gone = self.columns[unit]
        step = torch.linalg.solve(self.inverse[gone][:, gone], self.inverse[gone])
        self.weight = self.weight - self.weight[:, gone] @ step
        self.inverse = self.inverse - self.inverse[:, gone] @ step


def removal_errors(layers: Sequence[Surgeon], units: int) -> Tensor:
    """Remove the unit that adds the least error, again and again. Returns the error with which each goes, (units,).

    An error is that of all units removed so far, as a share of what the weights give.
    """
    errors, total, left = torch.zeros(units, dtype=torch.float64), 0.0, torch.arange(units)
    size = sum(layer.size for layer in layers)
    if not math.isfinite(size):
        raise CellError("layers that read the units are given numbers that are not finite")
    while len(left) and size > 0:
        added = torch.stack([layer.errors(left).cpu() for layer in layers]).sum(dim=0)
        place = int(added.argmin())
        total += max(float(added[place]), 0.0)
        errors[left[place]] = total / size
        for layer in layers:
            layer.remove(int(left[place]))
        left = torch.cat((left[:place], left[place + 1 :]))
    return errors


def ziplm(
    network: Network,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    damping: Annotated[float, Field(gt=0)] = 0.01,
) -> dict[str, Tensor]:
    """Share of the outputs of the layers reading a unit that is lost when the unit and all before it are gone.

    As in the paper, one unit goes at a time: the one that adds the least squared error. Then the remaining weights are
    updated, and the next is sought. So of two units that say the same, one goes early and the other late. The errors
    of all layers that read a coupled group add up. A convolution reads a channel with all positions of its kernel.

    The paper prunes transformers, and finds widths by measured times. Its update of the weights is not kept here:
    `--repair least-squares` does it after a cut. `damping` is the ridge l, as a share of the mean of X X^T's diagonal.

    The cost grows with pictures, positions and the square of a layer's fan-in, then with units times this square. The
    memory is that of two matrices (fan_in, fan_in) for each layer, in float64.

    batches: pairs (pictures, labels). Returns (units,) by layer.
    """
    grams = {name: empty_gram(network.layer(name)) for name in all_readers(network)}
    show_inputs(network, batches, {name: partial(add_to, gram) for name, gram in grams.items()})
    scores = {
        group.name: removal_errors(surgeons(network, group, grams, damping), network.units[group.name])
        for group in network.table.groups
    }
    return network.by_layer(scores)


def surgeons(network: Network, group: Group, grams: dict[str, Tensor], damping: float) -> list[Surgeon]:
    """Make a surgeon for every layer that reads a group, and for every group of such a convolution."""
    made = []
    for name, index in readers(network, group):
        weight = network.layer(name).get_parameter("weight").detach().double()
        per_channel = weight[0, 0].numel()
        columns = (index[:, :, None] * per_channel + torch.arange(per_channel)).flatten(1).to(weight.device)
        width = grams[name].shape[1]
        for number, (gram, rows) in enumerate(zip(grams[name], weight.flatten(1).chunk(len(grams[name])), strict=True)):
            inside = columns // width == number
            if inside.any():
                made.append(Surgeon(gram, rows, columns[inside].reshape(len(columns), -1) % width, damping))
    return made


CRITERION = ModelScore(
    ziplm,
    coupling="first",
    costly=True,
    published=Ranking("local"),
    reference="Kurtic, Frantar, Alistarh. ZipLM: Inference-Aware Structured Pruning of Language Models. NeurIPS 2023",
)
