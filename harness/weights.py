"""Checkpoints of other programs: trained weights that a dense network starts from."""

import hashlib
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from prunebench.errors import UserError


def load_weights(model: nn.Module, path: Path, name: str, *, skip: Collection[str] = ()) -> None:
    """Load a checkpoint into a network."""
    if not path.is_file():
        raise UserError(f"--weights {path}: no such file")
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    own = model.state_dict()
    state = {key: value for key, value in state.items() if key not in skip}
    model.load_state_dict({**own, **state})


def weights_digest(path: Path) -> str:
    """SHA-256 of a file, 16 hex digits."""
    if not path.is_file():
        raise UserError(f"--weights {path}: no such file")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
