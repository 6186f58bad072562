"""Results of several folders and benchmark JSONs as one."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from prunebench.records.files import united
from prunebench.reports.reading import check_pictures, read_results
from prunebench.reports.results import Results, gather_results


def read_all(paths: Sequence[Path]) -> Results:
    """Read each source and unite them. A later source replaces the same cells of the earlier ones.

    paths: results folders or benchmark JSONs, at least one. Raises `UserError` where one cannot be read, or where
    records of one dataset were measured on other numbers of test pictures.
    """
    found = [read_results(path) for path in dict.fromkeys(paths)]
    return found[0] if len(found) == 1 else combine(found)


def combine(found: Sequence[Results]) -> Results:
    """Unite results, in this order."""
    records = [(one.source, record) for one in found for record in (*one.failures, *one.records)]
    check_pictures((f"{source}: {record.key}", record) for source, record in records)
    together = gather_results(
        ", ".join(one.source for one in found),
        [record for _, record in records],
        [latency for one in found for of_record in one.latencies.values() for latency in of_record],
        preset=_common(one.preset for one in found),
        fidelity=[score for one in found for score in one.fidelity],
    )
    return replace(
        together,
        parts=tuple(found),
        lines={name: line for one in found for name, line in one.lines.items()},
        prices=tuple(chain.from_iterable(one.prices for one in found)),
        repair_prices=tuple(chain.from_iterable(one.repair_prices for one in found)),
        growth=tuple(chain.from_iterable(one.growth for one in found)),
        tunings=tuple(chain.from_iterable(one.tunings for one in found)),
        asked=tuple(chain.from_iterable(one.asked for one in found)),
        superseded=together.superseded + sum(one.superseded for one in found),
        machine="; ".join(dict.fromkeys(one.machine for one in found if one.machine)) or None,
        data=united(chain.from_iterable(one.data.values() for one in found)),
        date=max((one.date for one in found if one.date), default=None),
    )


def _common(values: Iterable[str | None]) -> str | None:
    """Give the value that all have, or None."""
    different = set(values)
    return different.pop() if len(different) == 1 else None
