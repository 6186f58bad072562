"""Times the networks of a results folder, without its data: networks of equal widths once."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from prunebench.errors import UserError, reason
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.study.networks import Origin, check_allowed, dense_network, read_origin
from prunebench.timing.latency import Call
from prunebench.timing.timer import Stopwatch, units_of

log = logging.getLogger("prunebench")

Shape = tuple[Origin, tuple[tuple[str, int], ...]]


def time_records(
    records: Sequence[Record], watch: Stopwatch, plugins: tuple[str, ...] = (), models: Collection[str] = ()
) -> list[Latency]:
    """Time the network of every record, in turn with its dense network.

    The latencies of each shape are kept in the folder at once. A shape that fails is named, and the others are timed.
    The weights do not matter, so networks need not be saved. Single weights are left out: dense kernels compute the
    zeros. plugins, models: code that is allowed, as in `prunebench.load`.

    Raises `UserError` where nothing can be timed, and before any timing where a model is not allowed.
    """
    shapes, failed = _shapes(records, watch)
    for (origin, _), alike in shapes.items():
        check_allowed(origin.model, watch.store.stage(alike[0].network), plugins, models)
    timing, latencies = _Timing(watch, plugins, models), list[Latency]()
    for number, ((origin, _), alike) in enumerate(sorted(shapes.items(), key=lambda one: one[0][0].model), 1):
        where = f"[{number}/{len(shapes)}] {origin.model}"
        try:
            found = timing.measure(origin, alike[0])
        except Exception as error:  # a network too large for the device, or the model's own code
            failed.append(_fault(alike[0], error))
            log.warning(f"{where}: not timed: {failed[-1]}")
            continue
        log.info(f"{where}: {found.speedup:.2f}x, the same for {len(alike)} points")
        ours = [found.model_copy(update={"key": record.key}) for record in alike]
        watch.keep(ours)
        latencies += ours
    if latencies:
        return latencies
    if failed:
        raise UserError(f"{watch.store.folder}: no network could be timed; the first failure: {failed[0]}")
    raise UserError(f"{watch.store.folder}: no pruned units to time; single weights run no faster")


def _shapes(records: Sequence[Record], watch: Stopwatch) -> tuple[dict[Shape, list[Record]], list[str]]:
    """Group the records whose networks are of equal widths. Returns the faults of those that cannot be read, too."""
    shapes: dict[Shape, list[Record]] = {}
    failed = []
    for record in records:
        if not record.widths or record.weights:
            continue
        try:
            origin = _origin(record, watch)
        except UserError as error:
            failed.append(_fault(record, error))
            log.warning(f"not timed: {failed[-1]}")
            continue
        shapes.setdefault((origin, tuple((layer, n) for layer, (_, n) in record.widths.items())), []).append(record)
    return shapes, failed


@dataclass
class _Timing:
    """Times networks one by one; builds a dense network once for all of its pruned ones that follow."""

    watch: Stopwatch
    plugins: tuple[str, ...]
    models: Collection[str]
    dense: tuple[Origin, Network, Call] | None = None

    def measure(self, origin: Origin, record: Record) -> Latency:
        """Time the network of a record in turn with its dense network."""
        watch = self.watch
        if self.dense is None or self.dense[0] != origin:
            network = dense_network(origin, watch.store.stage(record.network), self.plugins, self.models)
            network.model.to(watch.device)
            self.dense = origin, network, watch.runner(network.model, _picture(origin))
        _, network, call = self.dense
        excess = {g.name: torch.arange(units_of(g, record), g.units) for g in network.table.groups}
        return watch.measure(call, watch.runner(remove(network, excess).model, _picture(origin)), record)


def _fault(record: Record, error: Exception) -> str:
    cell = record.cell
    return (
        f"{cell.criterion} at {cell.metric}={cell.keep:g}: {error if isinstance(error, UserError) else reason(error)}"
    )


def _picture(origin: Origin) -> tuple[int, int, int]:
    return origin.channels, origin.size, origin.size


def _origin(record: Record, watch: Stopwatch) -> Origin:
    """Find what a record's network is of, apart from its classes' names and moments, which cost no time."""
    found = read_origin(watch.store.stage(record.network))
    if found is None:
        raise UserError(f"{watch.store.folder}: the network of {record.cell.criterion} does not say its model")
    return found.model_copy(update={"class_names": (), "mean": (), "std": ()})
