"""The files of a store that are also read where there is no torch."""

import json
from pathlib import Path
from typing import Any

from prunebench.errors import UserError

WEIGHTS, GATES, MASKS = "weights.safetensors", "gates.safetensors", "masks.safetensors"  # of a stage
TRIAL = "trial-"  # how the keys of stages begin that are no run's, but those of a sweep or a tuning


def read_json(path: Path) -> dict[str, Any]:
    """Read one of the store's own files."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a file of prunebench: {error}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: not a file of prunebench")
    return data
