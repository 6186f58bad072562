"""Files of a store that are also read without torch."""

from pathlib import Path
from typing import Any

from prunebench.errors import DamagedFileError
from prunebench.records.validation import parse, read_bytes

WEIGHTS, GATES, MASKS = "weights.safetensors", "gates.safetensors", "masks.safetensors"  # of a stage
PUSHED = "pushed.safetensors"
NETWORK = (WEIGHTS, GATES, MASKS, PUSHED)  # to be deleted in this order: without weights a stage is not finished
DAMAGED = ".damaged"  # suffix of a file or stage that was set aside
TRIAL = "trial-"  # prefix of the keys of stages that only a sweep or tuning uses


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that the store wrote."""
    data = parse(read_bytes(path), f"{path}: not a file of prunebench")
    if not isinstance(data, dict):
        raise DamagedFileError(f"{path}: not a file of prunebench")
    return data
