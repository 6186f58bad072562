"""What a choice may be asked for."""

import math
from numbers import Real
from typing import Any

from prunebench.errors import UserError
from prunebench.study.spec import Spec


def checked_spec(spec: Spec) -> Spec:
    """Return the spec of the one task. Raises `UserError` for several tasks, shards and unsaved networks."""
    if len(spec.pairs) != 1:
        raise UserError(f"choose works on one task, not on {len(spec.pairs)}; give one model and one dataset")
    if spec.shard:
        raise UserError(f"--shard {spec.shard}: a race needs all of its blocks; leave --shard out")
    if spec.save == "none":
        raise UserError("--save none: choose hands over a network, which must be stored; leave --save out")
    return spec


def read_bound(given: Any) -> float:
    """Read the accuracy that a choice must reach. Raises `UserError` for anything but a share between 0 and 1.

    >>> read_bound("0.92"), read_bound(0.5)
    (0.92, 0.5)
    """
    try:
        bound = float(given) if isinstance(given, str | Real) and not isinstance(given, bool) else math.nan
    except ValueError:
        bound = math.nan
    if not 0 < bound < 1:
        raise UserError(f"--at-least {given}: not an accuracy to reach; give a share between 0 and 1, as 0.92")
    return bound


def check_alone(bound: Any, keep: Any, budget: str | None) -> None:
    """Raise `UserError` where a keep or a budget of time is given beside a bound."""
    if keep:
        raise UserError(f"--at-least {bound}: the search finds the keep itself; leave --keep out")
    if budget is not None:
        raise UserError(f"--at-least {bound}: the search has no smaller plan for a budget; leave --budget out")
