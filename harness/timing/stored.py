"""Times the networks of a results folder, without its data: networks of equal widths once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from prunebench.blocks.finding import find_blocks
from prunebench.errors import UserError, reason
from prunebench.plugins.model import Model
from prunebench.pruning.network import Network
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.study.networks import Origin, allowed_model, dense_network, read_origin
from prunebench.timing.timer import Stopwatch, as_recorded
from prunebench.timing.warming import Call

log = logging.getLogger("prunebench")

Shape = tuple[Origin, tuple[tuple[str, int], ...]]
FindModel = Callable[[str, Path], Model]  # (label, folder of the saved network) -> the model that builds it


def time_records(records: Sequence[Record], watch: Stopwatch, find: FindModel = allowed_model) -> list[Latency]:
    """Time the network of every record, in turn with its dense network.

    The latencies of each shape are kept in the folder at once. A shape that fails is named, and the others are timed.
    The weights do not matter, so networks need not be saved. Single weights are left out: dense kernels compute the
    zeros. find: gives the model of a network; raises `UserError` where its code is not allowed.

    Raises `UserError` where nothing can be timed, and before any timing where a model is not found.
    """
    shapes, failed = _shapes(records, watch)
    for (origin, _), alike in shapes.items():
        find(origin.model, watch.store.stage(alike[0].network))
    timing, latencies = _Timing(watch, find), list[Latency]()
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
    find: FindModel
    dense: tuple[Origin, Network, Call] | None = None

    def measure(self, origin: Origin, record: Record) -> Latency:
        """Time the network of a record in turn with its dense network."""
        watch = self.watch
        if self.dense is None or self.dense[0] != origin:
            folder = watch.store.stage(record.network)
            network = dense_network(origin, folder, self.find(origin.model, folder))
            network.model.to(watch.device)
            self.dense = origin, network, watch.runner(network.model, _picture(origin))
        _, network, call = self.dense
        blocks = find_blocks(network.model, torch.zeros(2, *_picture(origin))) if record.blocks else ()
        return watch.measure(call, watch.runner(as_recorded(network, record, blocks).model, _picture(origin)), record)


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
