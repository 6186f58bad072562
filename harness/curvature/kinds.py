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
    draws: vectors per picture for ``sampled``, probes per batch for ``hutchinson``; the kind's default if not given.
    """

    kind: CurvatureKind = "sampled"
    draws: float = 0.0

    def __post_init__(self) -> None:
        if not self.draws:
            object.__setattr__(self, "draws", DRAWS.get(self.kind, 0.0))
