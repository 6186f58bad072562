"""Times the networks of a results folder, without its data: networks of equal widths once."""

import logging
from collections.abc import Collection, Sequence

import torch

from prunebench.errors import UserError
from prunebench.exporting.saved import check_allowed
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.study.networks import Origin, dense_network, read_origin
from prunebench.timing.latency import Call
from prunebench.timing.timer import Stopwatch, units_of

log = logging.getLogger("prunebench")

Shape = tuple[Origin, tuple[tuple[str, int], ...]]


def time_records(
    records: Sequence[Record], watch: Stopwatch, plugins: tuple[str, ...] = (), models: Collection[str] = ()
) -> list[Latency]:
    """Time the network of every record, in turn with its dense network, and keep the latencies in the folder.

    The weights do not matter, so networks need not be saved. Single weights are left out: dense kernels compute the
    zeros. plugins, models: code that is allowed, as in `prunebench.load`.

    Raises `UserError` where nothing can be timed.
    """
    shapes: dict[Shape, list[Record]] = {}
    for record in records:
        if record.widths and not record.weights:
            origin = _origin(record, watch)
            shapes.setdefault((origin, tuple((layer, n) for layer, (_, n) in record.widths.items())), []).append(record)
    if not shapes:
        raise UserError(f"{watch.store.folder}: no pruned units to time; single weights run no faster")
    latencies: list[Latency] = []
    dense: tuple[Origin, Network, Call] | None = None
    for number, ((origin, _), alike) in enumerate(sorted(shapes.items(), key=lambda one: one[0][0].model), 1):
        if dense is None or dense[0] != origin:
            check_allowed(origin, plugins, models)
            network = dense_network(origin, watch.store.stage(alike[0].network), plugins, models)
            network.model.to(watch.device)
            dense = origin, network, watch.runner(network.model, _picture(origin))
        excess = {g.name: torch.arange(units_of(g, alike[0]), g.units) for g in dense[1].table.groups}
        found = watch.measure(dense[2], watch.runner(remove(dense[1], excess).model, _picture(origin)), alike[0])
        log.info(f"[{number}/{len(shapes)}] {origin.model}: {found.speedup:.2f}x, the same for {len(alike)} points")
        latencies += [found.model_copy(update={"key": record.key}) for record in alike]
    watch.keep(latencies)
    return latencies


def _picture(origin: Origin) -> tuple[int, int, int]:
    return origin.channels, origin.size, origin.size


def _origin(record: Record, watch: Stopwatch) -> Origin:
    """Find what a record's network is of, apart from its classes' names and moments, which cost no time."""
    found = read_origin(watch.store.stage(record.network))
    if found is None:
        raise UserError(f"{watch.store.folder}: the network of {record.cell.criterion} does not say its model")
    return found.model_copy(update={"class_names": (), "mean": (), "std": ()})
