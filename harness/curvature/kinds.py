"""The kinds of curvature that a score may ask for, and the number of draws of a random estimate."""

from dataclasses import dataclass
from typing import Literal, get_args

CurvatureKind = Literal["sampled", "exact", "empirical", "hessian", "hutchinson", "lecun"]
CURVATURES: tuple[CurvatureKind, ...] = get_args(CurvatureKind)
DRAWS: dict[str, float] = {"sampled": 0.5, "hutchinson": 1.0}  # the random kinds, with their default draws


@dataclass(frozen=True)
class Curvature:
    """The choice of one diagonal of the curvature.

    kind: see `prunebench.curvature.diagonals`.
    draws: vectors per picture for ``sampled``, probes per batch for ``hutchinson``; other kinds ignore this number.
    """

    kind: CurvatureKind = "sampled"
    draws: float = DRAWS["sampled"]
