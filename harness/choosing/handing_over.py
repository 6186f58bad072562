"""Times the chosen networks and hands them over."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prunebench.errors import UserError, reason
from prunebench.exporting.onnx_file import absent_packages
from prunebench.exporting.saved import export_saved
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.records.stage import FACTS, read_stage_facts
from prunebench.study.grid import Job, find_device
from prunebench.study.networks import allowed_model
from prunebench.study.run import start
from prunebench.study.spec import Spec
from prunebench.study.store import Store
from prunebench.timing.stored import time_records
from prunebench.timing.timer import Stopwatch

log = logging.getLogger("prunebench")


def first_seed(records: Sequence[Record], criterion: str) -> tuple[Record, ...]:
    """Return the records of a criterion's first seed, one for each keep."""
    ours = [record for record in records if record.cell.criterion == criterion]
    first = min(record.cell.seed for record in ours)
    return tuple(record for record in ours if record.cell.seed == first)


def time_chosen(spec: Spec, records: Sequence[Record]) -> tuple[Latency, ...]:
    """Time networks against the dense one. What cannot be timed is said, and does not cost the answer."""
    if spec.keep.metric == "weights":  # dense kernels compute the zeros
        return ()
    try:
        watch = Stopwatch(
            Store(spec.results), find_device(spec.device), spec.backend, spec.timing_batch, spec.timing_rounds
        )
        return tuple(time_records(records, watch, partial(allowed_model, plugins=spec.plugin, models=spec.models)))
    except UserError as error:
        log.warning("the chosen network is not timed: %s", error)
        return ()


def hand_over_all(records: Sequence[Record], spec: Spec, output: Path) -> tuple[Path | None, ...]:
    """Export the network of every record into a folder of its own below the output folder; see `hand_over`."""
    several = len(records) > 1
    names = [f"network-{one.cell.metric}{one.cell.keep:g}" if several else "network" for one in records]
    return tuple(hand_over(record, spec, output / name) for record, name in zip(records, names, strict=True))


def hand_over(record: Record, spec: Spec, folder: Path) -> Path | None:
    """Export the network of a record into a folder that needs no PruneBench; with ONNX where it is installed.

    The user named the record's model in this command, so its code is allowed. A network that is not stored is computed
    again. Returns the folder. A network that cannot be exported stays where the run stored it: then this folder is
    returned, which `prunebench.load` reads. None where there is no network; the log says why.
    """
    store = Store(spec.results)
    stage = store.stage(record.network)
    try:  # hours of computing are not lost for a folder
        if not store.has(record.network):
            _compute_again(record, spec, stage)
        model = (record.cell.model,)
        export_saved(stage, folder, record, onnx=not absent_packages(), plugins=spec.plugin, models=model)
        return folder
    except Exception as error:
        why = str(error) if isinstance(error, UserError) else reason(error)
    if store.has(record.network):
        log.warning("%s; the network stays in %s", why, stage)
        return stage
    log.warning("%s; the chosen network is not stored: give another --results to compute it", why)
    return None


def _compute_again(record: Record, spec: Spec, stage: Path) -> None:
    """Compute the stored network of a finished point, of which only the facts are left."""
    cell = record.cell
    log.info("the network of %s, seed %d, is not stored: it is computed again", cell.criterion, cell.seed)
    before = read_stage_facts(stage).digest if (stage / FACTS).exists() else ""
    trajectory = start(spec, Job(cell.dataset, cell.model, cell.criterion, cell.seed))
    point = trajectory.plan.point(trajectory.method, cell.keep)
    trajectory.network(point)
    for rung in point.origins():
        if rung.kind == "rung" and spec.save != "all":
            trajectory.store.drop_stage(rung.key)
    if before and read_stage_facts(stage).digest != before:
        log.warning("its weights differ from the measured ones: this machine rounds otherwise")
