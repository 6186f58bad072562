"""Builds the fields of a record from the facts of the stages that led to its point."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from prunebench.errors import CellError, in_a_cell
from prunebench.pruning.kinds import LAYERS
from prunebench.pruning.network import Network
from prunebench.records.packed import DensePerPicture, PerPicture
from prunebench.records.record import Environment, StageValues, WeightCount
from prunebench.records.selection import joined
from prunebench.records.sparse import PushedUnits
from prunebench.records.stage import Measured, StageFacts
from prunebench.records.validation import validated
from prunebench.study.environment import commit, cpu_name, device_name, versions
from prunebench.training.evaluate import Result

TOP5_FROM = 100  # classes from which top-5 accuracy is reported
NEAR_ZERO = 1e-4  # weights below it count as zero, as in the papers on regularisation before pruning


def measured(result: Result) -> Measured:
    """Summarise the results on the test pictures. Raises `CellError` where the loss is not finite."""
    if not math.isfinite(result.mean_loss):
        why = "training diverged, or was too short for BatchNorm's running statistics"
        raise CellError(f"the network's loss on the test pictures is {result.mean_loss}: {why}")
    return Measured(accuracy=result.accuracy, loss=result.mean_loss, top5=result.top5)


def per_image(result: Result, classes: int) -> PerPicture:
    """Pack label, loss and correctness of every test picture."""
    return PerPicture.pack(result.predicted.numpy(), result.loss.numpy(), result.correct.numpy(), classes)


def weight_count(model: nn.Module) -> WeightCount:
    """Count the weights of convolutions and linear layers, and those that are nearly zero, in all and by layer."""
    weights = {name: one.weight.detach() for name, one in model.named_modules() if isinstance(one, LAYERS)}
    layers = {name: (weight.numel(), int((weight.abs() < NEAR_ZERO).sum())) for name, weight in weights.items()}
    total, small = (sum(numbers) for numbers in zip(*layers.values(), strict=True))
    return WeightCount(weights=total, near_zero=small, layers=layers)


def _dense_per_image(facts: StageFacts, classes: int) -> DensePerPicture | None:
    images = facts.images
    if images is None:
        return None
    loss = images.loss if classes == 2 else None
    return DensePerPicture(pictures=images.pictures, predicted=images.predicted, loss=loss)


def results(chain: Sequence[StageFacts], classes: int) -> dict[str, Any]:
    """Return the fields of a record that the stages decide. chain: facts from the dense stage to the point."""
    dense, point = chain[0], chain[-1]
    parts = {"dense": dense.final, "cut": point.cut, "cut_bn": point.cut_bn, "finetuned": point.final}
    if point.repaired:
        parts["repaired"] = point.repaired
    names = ("accuracy", "loss", "top5") if classes >= TOP5_FROM else ("accuracy", "loss")
    numbers = {name: StageValues(**{part: getattr(result, name) for part, result in parts.items()}) for name in names}
    return {
        **numbers,
        "floors": point.floors,
        "selection": joined([facts.selection for facts in chain if facts.selection]),
        "per_image": point.images,
        "dense_per_image": _dense_per_image(dense, classes),
        "weight_counts": (dense.weights, point.weights) if dense.weights and point.weights else None,
        "curves": tuple(epoch for facts in chain for epoch in facts.curve),
        "change": point.change,
        "not_compared": point.not_compared,
        "sparse": next((facts.sparse for facts in reversed(chain) if facts.sparse), None),
    }


def pushed_units(chain: Sequence[StageFacts], network: Network) -> PushedUnits | None:
    """Count the units that sparse training pushed and the cuts removed; None where it chose none, or no unit is cut.

    chain: facts from the dense stage to the point, whose network is given.
    """
    pushed = next((facts.pushed for facts in chain if facts.pushed is not None), None)
    if pushed is None or network.masks:
        return None
    units = sum(group.units for group in network.table.groups)
    left = sum(int(chosen.sum()) for chosen in network.pushed.values())
    counts = {"units": units, "pushed": pushed, "cut": units - sum(network.units.values()), "both": pushed - left}
    with in_a_cell():  # a damaged file is the matter of this cell alone
        return validated(PushedUnits, counts, "the pushed units of the stages do not fit")


def environment(facts: Mapping[str, StageFacts], reused: tuple[str, ...], device: str) -> Environment:
    """Describe where a point was computed and at what cost. facts: by the label of the stage."""
    return Environment(
        versions=versions(),
        device=device_name(device),
        cpu=cpu_name(),
        kernels={label: one.kernels for label, one in facts.items()},
        threads=torch.get_num_threads(),
        commit=commit(),
        seconds={label: round(one.seconds, 4) for label, one in facts.items()},
        cutting_seconds=round(sum(one.cut_seconds for one in facts.values()), 4),
        repairing_seconds=round(sum(one.repair_seconds for one in facts.values()), 4),
        reused=reused,
        memory={label: one.memory for label, one in facts.items()},
        peak_memory=max(one.memory for one in facts.values()),
    )
