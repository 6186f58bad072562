"""Hands over the chosen network."""

import logging
from pathlib import Path

from prunebench.errors import UserError
from prunebench.exporting.onnx_file import absent_packages
from prunebench.exporting.saved import export_saved
from prunebench.plugins.options import split_name
from prunebench.records.record import Record
from prunebench.records.store_files import WEIGHTS
from prunebench.study.store import Store

log = logging.getLogger("prunebench")


def hand_over(record: Record, store: Store, folder: Path, plugins: tuple[str, ...] = ()) -> Path:
    """Export the stored network of a record into a folder that needs no PruneBench; with ONNX where it is installed.

    The user named the record's model in this command, so its code is allowed. Returns the folder. A network that cannot
    be exported stays where the run stored it: then this folder is returned, which `prunebench.load` reads.

    Raises `UserError` where the network is not stored.
    """
    stage = store.stage(record.network)
    if not (stage / WEIGHTS).exists():
        raise UserError(f"{stage}: the chosen network is not stored here; run the same command with --save final")
    name, _, argument = split_name(record.cell.model)
    own = (f"{name}:{argument}",)
    try:
        export_saved(stage, folder, record, onnx=not absent_packages(), plugins=plugins, models=own)
    except UserError as error:  # hours of computing are not lost for a folder
        log.warning("%s; the network stays in %s", error, stage)
        return stage
    return folder
