"""Budgets of a call, as `{"macs": 0.5}`; a number alone is a fraction of the MACs, as on the command line."""

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from prunebench.errors import UserError, unknown
from prunebench.records.budget import DEFAULT_METRIC, Budget, Keep, parse_budget
from prunebench.records.names import METRICS

EXAMPLE = '{"macs": 0.5}'


def read_budget(given: Any, name: str) -> Budget:
    """Read fractions of one budget metric; numbers alone are fractions of the MACs. name: of the argument.

    >>> read_budget({"macs": [0.5, 0.25]}, "keeps"), read_budget("params=0.1", "keeps")
    (Budget(metric='macs', fractions=(0.5, 0.25)), Budget(metric='params', fractions=(0.1,)))
    >>> read_budget(0.5, "keep") == read_budget([0.5], "keep") == read_budget("0.5", "keep")
    True
    """
    if isinstance(given, str | Budget):
        return parse_budget(given)
    if _is_number(given) or (isinstance(given, list | tuple) and given and all(map(_is_number, given))):
        given = {DEFAULT_METRIC: given}
    if not isinstance(given, Mapping) or len(given) != 1:
        metrics = f"one of {', '.join(METRICS)}"
        raise UserError(f"{name}={given!r}: a keep is a fraction of {metrics}; give {name}={EXAMPLE}")
    ((metric, fractions),) = given.items()
    if metric not in METRICS:
        raise unknown("budget metric", str(metric), METRICS, where=f"{name}={given!r}")
    numbers = list(fractions) if isinstance(fractions, Iterable) and not isinstance(fractions, str) else [fractions]
    if not numbers or not all(map(_is_number, numbers)):
        raise UserError(f"{name}={given!r}: fractions are numbers between 0 and 1; give {name}={EXAMPLE}")
    return parse_budget(f"{metric}={','.join(repr(float(one)) for one in numbers)}")


def read_keep(given: Any, name: str) -> Keep:
    """Read one fraction of one budget metric.

    >>> print(read_keep({"macs": 0.5}, "keep"))
    macs=0.5
    """
    keeps = read_budget(given, name).keeps
    if len(keeps) != 1:
        raise UserError(f"{name}={given!r}: a network has one keep, got {len(keeps)}; give {name}={EXAMPLE}")
    return keeps[0]


def _is_number(given: Any) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)
