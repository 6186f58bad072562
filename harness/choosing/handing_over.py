"""Hands over the chosen network."""

import logging
from pathlib import Path

from prunebench.errors import UserError, reason
from prunebench.exporting.onnx_file import absent_packages
from prunebench.exporting.saved import export_saved
from prunebench.records.record import Record
from prunebench.records.stage import FACTS, read_stage_facts
from prunebench.study.grid import Job
from prunebench.study.run import start
from prunebench.study.spec import Spec
from prunebench.study.store import Store

log = logging.getLogger("prunebench")


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
