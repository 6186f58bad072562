"""What a chosen network costs, and where it lies, in words."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.reports.formatting import as_multiple, percent
from prunebench.reports.language.message import Message, say, say_many
from prunebench.reports.tables.speed import unreliable


def network_costs(records: Sequence[Record], latencies: Sequence[Latency]) -> Iterator[Message]:
    """Say how fast and how large networks are. latencies: of these records."""
    keeps = {record.key: f"{record.cell.metric}={record.cell.keep:g}" for record in records}
    for latency in latencies:
        yield from speed_lines(latency, keeps[latency.key])
    for record in records:
        yield _size(record, keeps[record.key])


def network_places(records: Sequence[Record], folders: Sequence[Path | None]) -> Iterator[Message]:
    """Say where networks lie. folders: of these records, None where one is not stored; empty without output."""
    for record, folder in zip(records, folders, strict=False):
        place = say("not stored; the log says why") if folder is None else str(folder)
        yield say("Network of confirmation seed {seed}: {folder}", seed=record.cell.seed, folder=place)


def speed_lines(latency: Latency, keep: str) -> Iterator[Message]:
    """Say what was measured on this machine."""
    ratio = f"{as_multiple(latency.speedup)} [{latency.low:.2f}, {latency.high:.2f}]"
    dense, pruned = (f"{1e3 * seconds:.4g} ms" for seconds in (latency.dense_seconds, latency.pruned_seconds))
    yield say_many(
        "Speed-up measured at {keep}: {ratio}, {dense} to {pruned} a batch of {batch} ({backend}, {number} thread, "
        "{machine}).",
        "Speed-up measured at {keep}: {ratio}, {dense} to {pruned} a batch of {batch} ({backend}, {number} threads, "
        "{machine}).",
        latency.threads,
        keep=keep,
        ratio=ratio,
        dense=dense,
        pruned=pruned,
        batch=latency.batch,
        backend=latency.backend,
        machine=latency.machine,
    )
    if unreliable(latency):
        yield say("This speed-up is unreliable: the machine was busy. `prunebench time` measures it again.")


def _size(record: Record, keep: str) -> Message:
    assert record.dense is not None and record.pruned is not None
    before, after = (f"{cost.bytes / 1e6:.3g} MB" for cost in (record.dense, record.pruned))
    macs, params = (getattr(record.pruned, name) / getattr(record.dense, name) for name in ("macs", "params"))
    return say(
        "Size at {keep}: {before} to {after}; {macs} of the MACs, {params} of the parameters.",
        keep=keep,
        before=before,
        after=after,
        macs=percent(macs, 1),
        params=percent(params, 1),
    )
