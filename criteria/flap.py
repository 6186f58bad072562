"""FLAP: how much a unit fluctuates, times the weights that read the unit (An et al., AAAI 2024)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunebench import ModelScore, Network, Ranking
from prunebench.criteria._readers import all_readers, readers, show_inputs


class Fluctuation:
    """Sum of the squared distances of each input channel from its mean, over batches. In float64.

    >>> spread = Fluctuation()
    >>> for batch in ([[1.0], [2.0]], [[6.0]]):  # mean 3
    ...     spread.add(nn.Linear(1, 1), torch.tensor(batch))
    >>> spread.squares.tolist(), spread.pictures
    ([14.0], 3)
    """

    def __init__(self) -> None:
        self.pictures, self._values = 0, 0
        self._mean = self.squares = torch.zeros(())

    def add(self, layer: nn.Module, inputs: Tensor) -> None:
        """Add a batch of what a layer reads; sums of batches are joined as Chan, Golub & LeVeque (1983) do."""
        values = inputs.movedim(1 if isinstance(layer, nn.Conv2d) else -1, 0).flatten(1).double()
        count, mean = values.shape[1], values.mean(dim=1)
        share = count / (self._values + count)
        step = mean - self._mean.to(mean)
        within = (values - mean[:, None]).square().sum(dim=1)
        self.squares = self.squares.to(within) + within + step.square() * self._values * share
        self._mean = self._mean.to(mean) + step * share
        self._values += count
        self.pictures += len(inputs)


def column_norms(layer: nn.Module) -> Tensor:
    """Squared norm of the weights that read each input channel of a convolution or linear layer. Returns (inputs,).

    >>> column_norms(nn.Conv2d(4, 2, 3, groups=2)).shape
    torch.Size([4])
    """
    squares = layer.get_parameter("weight").detach().double().square()
    groups, columns = getattr(layer, "groups", 1), squares.flatten(2).sum(dim=2) if squares.ndim > 2 else squares
    return columns.reshape(groups, -1, columns.shape[1]).sum(dim=1).flatten()


def flap(network: Network, batches: Sequence[tuple[Tensor, Tensor]], generator: torch.Generator) -> dict[str, Tensor]:
    """Fluctuation of a unit times the squared norm of the weights that read it, the metric WIFV of FLAP.

    S_j = 1/(N - 1) sum_n sum_p (x_njp - x_j)^2 ||W_j||^2. A layer reads x_njp of channel j at position p of picture n.
    The mean over all N pictures and their positions is x_j. W_j are all weights that read the channel. So the score
    tells how badly a constant, put into the layer's bias, stands for the unit (`--repair bias`).

    Terms are added over all layers that read the unit, and over the positions that a unit has behind a flattening. What
    passes a residual stream by its shortcut is nobody's input. A depthwise convolution goes with its unit, so the layer
    behind it counts alone. The paper prunes transformers: its tokens are the positions here.

    Layers are compared by the standardised score, (S - mean) / standard deviation. The authors' code squares the metric
    of attention heads, and its running sums leave out the first batch.

    One forward pass over the batches; memory is that of two numbers for each channel. With one picture, N - 1 is taken
    as one. Returns (units,) by layer.
    """
    spreads = {name: Fluctuation() for name in all_readers(network)}
    show_inputs(network, batches, {name: spread.add for name, spread in spreads.items()})
    scores = {
        name: torch.zeros(units, dtype=torch.float64, device=network.device) for name, units in network.units.items()
    }
    for group in network.table.groups:
        for name, index in readers(network, group):
            spread = spreads[name]
            metric = spread.squares / max(spread.pictures - 1, 1) * column_norms(network.layer(name))
            scores[group.name] += metric[index.to(metric.device)].sum(dim=1)
    return network.by_layer(scores)


CRITERION = ModelScore(
    flap,
    coupling="first",
    published=Ranking("global", normalise="standard"),
    reference="An, Zhao, Yu, Tang, Wang. Fluctuation-based Adaptive Structured Pruning for Large Language Models. "
    "AAAI 2024",
)
