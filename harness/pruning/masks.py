"""Masks of single weights: a pruned weight is exactly zero and stays zero in training."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prunebench.pruning.network import Network, weight_of
from prunebench.pruning.removal import remove


@dataclass(frozen=True, eq=False)
class KeptWeights:
    """Remaining weights: flat indices by layer."""

    kept: Mapping[str, Tensor]


def kept_weights(network: Network) -> dict[str, Tensor]:
    """Give the flat indices of the remaining weights, (weights,) by layer, in the order of the model."""
    kept = {}
    for layer in network.table.positions:
        mask = network.masks.get(layer)
        every = torch.arange(weight_of(network, layer).numel())
        kept[layer] = every if mask is None else every[mask.flatten()]
    return kept


def without(network: Network, gone: Mapping[str, Tensor]) -> Network:
    """Copy a network and prune more single weights from the copy; the given network is not changed.

    gone: flat indices (any,) of the weights to prune, by layer.
    """
    copy = remove(network, {})
    for layer, numbers in gone.items():
        old = copy.masks.get(layer)
        mask = torch.ones(weight_of(network, layer).shape, dtype=torch.bool) if old is None else old.clone()
        mask.view(-1)[numbers] = False
        copy.masks[layer] = mask
    zero(copy)
    return copy


def zero(network: Network) -> None:
    """Set pruned weights to zero, in place."""
    for layer, mask in network.masks.items():
        weight = weight_of(network, layer)
        weight.masked_fill_(~mask.to(weight.device), 0)


@contextmanager
def held(network: Network) -> Iterator[None]:
    """Keep pruned weights at zero in training. Their gradient is zero, so a fresh optimiser does not change them."""
    with ExitStack() as hooks:
        for layer, mask in network.masks.items():
            weight = network.model.get_parameter(f"{layer}.weight")
            hook = partial(_zero_gradient, ~mask.to(weight.device))
            hooks.enter_context(weight.register_post_accumulate_grad_hook(hook))  # type: ignore[no-untyped-call]
        yield


def _zero_gradient(gone: Tensor, weight: Tensor) -> None:
    if weight.grad is not None:
        weight.grad.masked_fill_(gone, 0)
