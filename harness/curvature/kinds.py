"""Which diagonal of the curvature a score asks for, and how much a random estimate of it may draw."""

from dataclasses import dataclass
from typing import Literal, get_args

CurvatureKind = Literal["sampled", "exact", "empirical", "hessian", "hutchinson", "lecun"]
CURVATURES: tuple[CurvatureKind, ...] = get_args(CurvatureKind)
DRAWS: dict[str, float] = {"sampled": 0.5, "hutchinson": 1.0}  # the kinds that are random, with their defaults


@dataclass(frozen=True)
class Curvature:
    """One diagonal of the curvature.

    kind: see `prunebench.curvature.diagonals`. draws: vectors per picture for ``sampled``, probes per batch for
    ``hutchinson``; the other kinds draw nothing.
    """

    kind: CurvatureKind = "sampled"
    draws: float = DRAWS["sampled"]
