"""Files of a store that are also read without torch."""

import json
from pathlib import Path
from typing import Any

from prunebench.errors import UserError

WEIGHTS, GATES, MASKS = "weights.safetensors", "gates.safetensors", "masks.safetensors"  # of a stage
TRIAL = "trial-"  # prefix of the keys of stages that only a sweep or tuning uses


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that the store wrote."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a file of prunebench: {error}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: not a file of prunebench")
    return data
