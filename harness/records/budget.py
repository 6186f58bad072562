"""Keeps of a run: fractions of one budget metric."""

from dataclasses import dataclass
from typing import Any

from prunebench.errors import UserError, check_choice
from prunebench.records.names import METRICS, Metric

DEFAULT_METRIC: Metric = "macs"  # of a number alone


@dataclass(frozen=True)
class Keep:
    """A fraction in (0, 1] of the dense network's MACs, parameters, units or single weights.

    >>> print(Keep("macs", 0.5))
    macs=0.5
    """

    metric: Metric
    fraction: float

    def __post_init__(self) -> None:
        check_choice("a keep", "budget metric", self.metric, METRICS)
        if not 0 < self.fraction <= 1:
            what = f"{self.fraction:g} is outside (0, 1]; 0.25 keeps a quarter of the dense {self.metric}"
            raise UserError(f"--keep {self}: {what}")

    def __str__(self) -> str:
        return f"{self.metric}={self.fraction:g}"


@dataclass(frozen=True)
class Budget:
    """All keeps of a run: one metric, its fractions in descending order."""

    metric: Metric
    fractions: tuple[float, ...]

    def __post_init__(self) -> None:
        for fraction in self.fractions:
            Keep(self.metric, fraction)  # raises `UserError` for a fraction outside (0, 1]

    @property
    def keeps(self) -> tuple[Keep, ...]:
        """Each fraction with the metric."""
        return tuple(Keep(self.metric, fraction) for fraction in self.fractions)

    def __str__(self) -> str:
        return f"{self.metric}={','.join(f'{fraction:g}' for fraction in self.fractions)}"


def parse_budget(given: Any) -> Budget:
    """Parse fractions of a budget metric; without a metric they are fractions of the MACs.

    Budgets of macs, params and units remove whole units. Budgets of weights remove single weights.

    >>> parse_budget("params=0.25,0.5"), parse_budget("0.5")
    (Budget(metric='params', fractions=(0.5, 0.25)), Budget(metric='macs', fractions=(0.5,)))
    """
    if isinstance(given, Budget):
        return given
    text = str(given).strip("[]")
    head, equals, rest = text.strip().rpartition("=")
    metric = head.strip() if equals else DEFAULT_METRIC
    if "=" in head:
        names = "macs=0.5,0.25, or params=, units= or weights="
        raise UserError(f"--keep {text}: a run has one budget metric; give {names}")
    check_choice(f"--keep {text}", "budget metric", metric, METRICS)
    try:
        fractions = [float(item) for item in rest.split(",")]
    except ValueError:
        raise UserError(f"--keep {text}: not a list of numbers; give fractions such as {metric}=0.5,0.25") from None
    if len(set(fractions)) < len(fractions):
        raise UserError(f"--keep {text}: a fraction is given twice; give each fraction once")
    ordered = tuple(sorted(fractions, reverse=True))
    return Budget(next(name for name in METRICS if name == metric), ordered)
