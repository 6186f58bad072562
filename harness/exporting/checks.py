"""Checks what is to be exported by one first forward pass, before anything is written."""

import json
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prunebench.errors import UserError, kind_of, reason
from prunebench.exporting.tracing import plain_copy

if TYPE_CHECKING:
    from prunebench.exporting.folder import About

_PICTURES = 3  # of the batch that goes through the network


def check_network(network: nn.Module, pictures: Tensor | None, about: "About") -> tuple[nn.Module, Tensor]:
    """Return a plain copy of a network on the CPU, and random pictures (3, channels, height, width) that it takes.

    Raises `UserError` where the network gives no scores for such pictures, or `about` does not fit them.
    """
    title = f"{about.title.rstrip('.')} cannot be exported"
    if not isinstance(network, nn.Module):
        what = f"{kind_of(network)} is no torch module"
        raise UserError(f"{title}: {what}; give a module, such as the `model` of a pruned network")
    if pictures is None:
        what = "no pictures are given, and they tell the size of the input"
        raise UserError(f"{title}: {what}; give a batch of any content, such as torch.zeros(1, 3, 32, 32)")
    if not isinstance(pictures, Tensor) or pictures.ndim != 4 or 0 in pictures.shape[1:]:
        given = f"of shape {tuple(pictures.shape)}" if isinstance(pictures, Tensor) else type(pictures).__name__
        raise UserError(f"{title}: pictures are {given}; give a tensor (n, channels, height, width)")
    other = next((p.dtype for p in network.parameters() if p.is_floating_point() and p.dtype != torch.float32), None)
    if other is not None:
        raise UserError(f"{title}: its weights are {other}, the file holds float32; give network.float()")
    batch = torch.randn(_PICTURES, *pictures.shape[1:], generator=torch.Generator().manual_seed(0))
    try:
        bare = plain_copy(network)
        with torch.inference_mode():
            scores = bare(batch.clone())
    except Exception as error:  # the network's own code
        size = tuple(batch.shape)
        raise UserError(f"{title}: it fails on pictures {size}: {reason(error)}; give pictures of its size") from error
    _check_scores(scores, title)
    _check_about(about, batch.shape[1], scores.shape[1], title)
    return bare, batch


def _check_scores(scores: object, title: str) -> None:
    if not isinstance(scores, Tensor):
        what = f"it returns {kind_of(scores)}, not one tensor of scores"
        raise UserError(f"{title}: {what}; wrap it in a module that returns the scores alone")
    if scores.ndim != 2 or len(scores) != _PICTURES:
        what = f"it returns {tuple(scores.shape)} for {_PICTURES} pictures"
        raise UserError(f"{title}: {what}; give a network that returns scores (batch, classes)")
    if not scores.isfinite().all():
        raise UserError(f"{title}: its scores are infinite or not a number; check its weights")


def _check_about(about: "About", channels: int, classes: int, title: str) -> None:
    """Check lengths and values of what is said of the network."""
    for name, given, wanted, unit in (
        ("mean", about.mean, channels, "channels"),
        ("std", about.std, channels, "channels"),
        ("classes", about.classes, classes, "scores"),
    ):
        if len(given) not in (0, wanted):
            raise UserError(f"{title}: About({name}) has {len(given)} entries for {wanted} {unit}; give one for each")
    if not all(one > 0 for one in about.std):
        raise UserError(f"{title}: About(std) holds {min(about.std):g}; give numbers above zero")
    try:
        json.dumps(dict(about.facts))
    except (TypeError, ValueError) as error:
        raise UserError(f"{title}: About(facts) cannot be written as JSON: {error}; give plain values") from None
