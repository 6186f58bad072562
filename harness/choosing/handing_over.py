"""Hands over the chosen network."""

import shutil
from pathlib import Path

from prunebench.errors import UserError
from prunebench.records.record import Record
from prunebench.records.store_files import NETWORK, WEIGHTS
from prunebench.study.networks import WIDTHS
from prunebench.study.store import Store, guard


def hand_over(record: Record, store: Store, folder: Path) -> Path:
    """Copy the stored network of a record into a folder: tensors as safetensors, widths as JSON.

    Returns the folder, which `prunebench.load` reads. Raises `UserError` where the network is not stored.
    """
    stage = store.stage(record.network)
    if not (stage / WEIGHTS).exists():
        raise UserError(f"{stage}: the chosen network is not stored here; run the same command with --save final")

    def copy() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*NETWORK, WIDTHS):
            (folder / name).unlink(missing_ok=True)
            if (stage / name).exists():
                shutil.copyfile(stage / name, folder / name)

    guard(folder, copy)
    return folder
