"""Files of a store that are also read without torch."""

from pathlib import Path
from typing import Any

from prunebench.errors import DamagedFileError
from prunebench.records.validation import parse, read_bytes

WEIGHTS, GATES, MASKS = "weights.safetensors", "gates.safetensors", "masks.safetensors"  # of a stage
PUSHED = "pushed.safetensors"
NETWORK = (WEIGHTS, GATES, MASKS, PUSHED)  # to be deleted in this order: without weights a stage is not finished
DAMAGED = ".damaged"  # suffix of a file or stage that was set aside
FAILED = ".failed"  # suffix of the empty file beside the record of a failed point
TRIAL = "trial-"  # prefix of the keys of stages that only a sweep or tuning uses


def mark_failed(record: Path, failed: bool) -> None:
    """Mark a record's file as that of a failed point, or take the mark away."""
    mark = record.with_suffix(FAILED)
    if failed:
        mark.touch()
    else:
        mark.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that the store wrote."""
    data = parse(read_bytes(path), f"{path}: not a file of prunebench")
    if not isinstance(data, dict):
        raise DamagedFileError(f"{path}: not a file of prunebench")
    return data
