"""Spread: units whose weights differ little from each other do little."""

from torch import Tensor

from prunebench import Criterion


def spread(weight: Tensor, *, power: float = 1.0) -> Tensor:
    """Take the standard deviation of each unit's weights, to a power. weight: (units, fan_in). Returns (units,)."""
    return weight.std(dim=1, correction=0) ** power


CRITERION = Criterion(spread)
