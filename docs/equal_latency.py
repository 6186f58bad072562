"""Compares the removal of residual blocks with that of filters at equal measured latency.

    python -P docs/equal_latency.py RESULTS [COPY ...]

RESULTS holds a run with `--units blocks` and one without, of the same tasks, criteria and seeds, and the timings of
`prunebench time RESULTS`. Copies of the folder hold further timings: a machine's state differs from one timing to the
next, more than the interval of a single one says. A network's time is the median over all of them, as a share of its
dense network's.

The accuracy with fewer filters at this time lies between two networks of the same criterion and seed, one faster and
one slower. It is interpolated linearly in time. Differences are paired by seed; the interval is the 95 % t interval
over seeds. It holds no error of the times.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.reports.formatting import signed_interval
from prunebench.reports.protocols import of_blocks
from prunebench.reports.reading import read_results
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import t_interval
from prunebench.reports.tables.speed import main_setting, unreliable

HEADER = (
    *("task", "criterion", "keep of blocks", "time", "without blocks, %", "fewer filters, %"),
    *("MACs kept, filters", "blocks less filters, points", "seeds"),
)


class Timed(NamedTuple):
    """A pruned network. time: of the dense network's; keep: MACs kept; accuracy: on test pictures, fine-tuned."""

    time: float
    keep: float
    accuracy: float


Networks = dict[tuple[str, str, int], dict[float, Timed]]  # by task, criterion and seed; then by the requested keep


def compare(results: Results) -> list[tuple[str, ...]]:
    """Give a row for each task, criterion and keep of blocks that filters reach the time of."""
    filters, blocks = _networks(results, blocks=False), _networks(results, blocks=True)
    found = defaultdict(list)
    for (task, criterion, seed), networks in blocks.items():
        for keep, one in networks.items():
            other = at_time([*filters.get((task, criterion, seed), {}).values()], one.time)
            if other is not None:
                found[task, criterion, -keep].append((one, other))
    return [(task, criterion, f"{-k:g}", *_cells(pairs)) for (task, criterion, k), pairs in sorted(found.items())]


def at_time(networks: Sequence[Timed], time: float) -> Timed | None:
    """Interpolate keep and accuracy at a time; None where no network is faster, or none is slower.

    >>> at_time([Timed(0.5, 0.4, 0.8), Timed(0.9, 0.8, 0.9)], 0.6)
    Timed(time=0.6, keep=0.5, accuracy=0.825)
    """
    ordered = sorted(networks)
    times = [one.time for one in ordered]
    if not times or not times[0] <= time <= times[-1]:
        return None
    keep, accuracy = (float(np.interp(time, times, column)) for column in list(zip(*ordered, strict=True))[1:])
    return Timed(time, keep, accuracy)


def _cells(pairs: Sequence[tuple[Timed, Timed]]) -> Iterator[str]:
    blocks, filters = zip(*pairs, strict=True)
    yield f"{fmean(one.time for one in blocks):.3f}"
    yield f"{100 * fmean(one.accuracy for one in blocks):.2f}"
    yield f"{100 * fmean(one.accuracy for one in filters):.2f}"
    yield f"{100 * fmean(one.keep for one in filters):.1f} %"
    yield signed_interval(t_interval([one.accuracy - other.accuracy for one, other in pairs]))
    yield str(len(pairs))


def _networks(results: Results, blocks: bool) -> Networks:
    """Collect the timed networks of one kind of units. Networks of equal widths share the median of their times.

    Times are those of the setting in which most points were measured (one machine, backend and batch), without those
    that the machine was too busy for. A cell that was run under several protocols is refused.
    """
    shared, setting = defaultdict(list), main_setting(results)
    for record in results.records:
        timed = [one for one in results.latencies.get(record.key, ()) if _setting(one) == setting]
        shared[_shape(record)] += [1 / one.speedup for one in timed if not unreliable(one)]
    found: Networks = defaultdict(dict)
    for record in results.records:
        cell, times = record.cell, shared[_shape(record)]
        if of_blocks(record) is blocks and times and record.accuracy:
            networks = found[f"{cell.task}, {cell.ranking}", cell.criterion, cell.seed]
            if cell.keep in networks:
                sys.exit(f"equal_latency: {cell.task}, {cell.criterion}: run under several protocols; give one")
            networks[cell.keep] = Timed(median(times), (record.keep or {})["macs"], record.accuracy.finetuned)
    return found


def _shape(record: Record) -> tuple[str, str]:
    return record.cell.task, repr(sorted(record.widths.items()))


def _setting(latency: Latency) -> tuple[str, str, int, int]:
    return latency.machine, latency.backend, latency.batch, latency.threads


def read(folders: Sequence[Path]) -> Results:
    """Read the records of the first folder, and the timings of all."""
    found = [read_results(folder) for folder in folders]
    keys = (record.key for record in found[0].records)
    latencies = {key: tuple(one for results in found for one in results.latencies.get(key, ())) for key in keys}
    return replace(found[0], latencies=latencies)


def main() -> None:
    """Read the folder and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+")
    try:
        rows = compare(read(parser.parse_args().results))
    except UserError as error:
        parser.error(str(error))
    print(tabulate(rows, HEADER, "github", disable_numparse=True) if rows else "nothing to compare: see --help")


if __name__ == "__main__":
    main()
