"""Find the layers that read what a cut removed, and shift their outputs."""

import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.pruning.kinds import LAYERS, depthwise
from prunebench.pruning.network import Network, holder
from prunebench.pruning.removal import lost

PLAIN = (nn.Conv2d.forward, nn.Linear.forward)


def readers(before: Network, after: Network) -> dict[str, Tensor]:
    """Find the convolutions and linear layers that read removed units, or themselves lost single weights.

    A depthwise convolution reads its own units. Transposed convolutions are left out.

    Returns:
        By layer: the output positions (units,) that are left, as numbered in `before`.

    >>> from prunebench.pruning.removal import remove
    >>> from prunebench.testing import toys
    >>> chain = toys.chain()
    >>> readers(chain, remove(chain, {"0": torch.tensor([1, 2]), "2": torch.tensor([0])}))
    {'2': tensor([1, 2, 3]), '6': tensor([0, 1, 2, 3, 4, 5, 6, 7])}
    """
    places, found = lost(before, after), {}
    for name, side in places:
        layer, tensor = holder(before.model, name)
        if isinstance(layer, LAYERS) and not tensor and (side == "in" or depthwise(layer)):
            found[name] = _stays(len(layer.weight), places.get((name, "out")))
    return found | {name: _stays(len(after.masks[name]), None) for name in _masked(before, after)}


def cut_anything(before: Network, after: Network) -> bool:
    """Tell whether the second network lacks blocks, units or single weights of the first.

    >>> from prunebench.pruning.removal import remove
    >>> from prunebench.testing import toys
    >>> cut_anything(toys.chain(), remove(toys.chain(), {}))
    False
    """
    return before.blocks != after.blocks or bool(lost(before, after)) or bool(_masked(before, after))


def _masked(before: Network, after: Network) -> list[str]:
    """Name the layers that lost single weights."""
    old = before.masks
    return [name for name, mask in after.masks.items() if name not in old or not torch.equal(mask, old[name])]


def _stays(units: int, gone: Tensor | None) -> Tensor:
    every = torch.arange(units)
    return every if gone is None else every[~torch.isin(every, gone)]


def plain(network: Network, name: str) -> nn.Module:
    """Return a layer. Raises `CellError` for one that computes more than a product with its weight.

    >>> from prunebench.testing import toys
    >>> plain(toys.chain(), "9")
    Linear(in_features=8, out_features=3, bias=True)
    """
    layer = network.layer(name)
    if type(layer).forward not in PLAIN or "weight" not in layer._parameters:
        what = f"layer '{name}' ({type(layer).__name__}) computes more than a product with its weight"
        raise CellError(f"{what}, so it cannot be repaired; give --repair batchnorm")
    return layer


def can_shift(network: Network, name: str) -> bool:
    """Tell whether a layer's outputs can be shifted: by its bias, or by the running mean of its own BatchNorm.

    >>> from prunebench.testing import toys
    >>> [can_shift(toys.residual(), name) for name in ("conv", "linear")], can_shift(toys.dense(), "conv1")
    ([True, True], False)
    """
    return _bias(network, name) is not None or _mean(network, name) is not None


def shift(network: Network, name: str, offset: Tensor) -> None:
    """Add an offset (units,) to the outputs of a layer, in place; does nothing where `can_shift` says no."""
    bias, mean = _bias(network, name), _mean(network, name)
    if bias is not None:
        bias.add_(offset.to(bias))
    elif mean is not None:
        mean.sub_(offset.to(mean))


def _bias(network: Network, name: str) -> Tensor | None:
    bias = network.layer(name).bias
    return bias.data if isinstance(bias, Tensor) else None


def _mean(network: Network, name: str) -> Tensor | None:
    norm = network.table.norm.get(name)
    mean = network.layer(norm).running_mean if norm else None
    return mean if isinstance(mean, Tensor) else None
