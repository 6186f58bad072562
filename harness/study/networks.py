"""Saves and loads networks: tensors as safetensors, the kept units as JSON; no pickle."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.pruning.network import Network, Table
from prunebench.pruning.removal import remove
from prunebench.records.record import Frozen, versioned
from prunebench.records.store_files import GATES, MASKS, WEIGHTS, read_json

WIDTHS = "widths.json"


class Saved(Frozen):
    """What `widths.json` holds. model: see `save`. kept: the original numbers of the remaining units, by group."""

    schema_version: int = 1
    model: dict[str, Any] | None
    kept: dict[str, tuple[int, ...]]


def save(network: Network, folder: Path, model: Mapping[str, Any] | None = None) -> None:
    """Write a network's tensors, kept units, gates and masks into a folder, which is created if missing.

    model: facts from which `load` builds the dense network: `model` (the name in the registry, with options),
    `channels`, `size` and `classes`. For an atomic save, write to a temporary folder and rename that folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = {group: tuple(units.tolist()) for group, units in network.kept.items()}
    saved = Saved(model=dict(model) if model else None, kept=kept)
    (folder / WIDTHS).write_text(saved.model_dump_json(indent=1))
    save_file(_contiguous_on_cpu(network.model.state_dict()), folder / WEIGHTS)
    if network.gates:
        save_file(_contiguous_on_cpu(network.gates), folder / GATES)
    if network.masks:
        save_file(_contiguous_on_cpu(network.masks), folder / MASKS)


def load_into(model: nn.Module, table: Table, folder: Path) -> Network:
    """Rebuild a saved network from its dense model, which is not changed and whose weights do not matter.

    Widths, weights, buffers, gates and masks come from the folder. Device, dtype, training mode and `requires_grad`
    come from the dense model. Raises `UserError` where the folder holds no network of this model.
    """
    kept = _saved(folder).kept
    if set(kept) != {group.name for group in table.groups}:
        raise UserError(f"{folder}: does not fit the model: the coupled groups differ; load it into the model it is of")
    gone = {g.name: _removed_units(folder, g.name, g.units, kept[g.name]) for g in table.groups}
    if not (folder / WEIGHTS).exists():
        raise UserError(f"{folder}: the network was not saved; run again with --save final, or --save all for rungs")
    network = remove(Network.dense(model, table), gone)
    try:
        network.model.load_state_dict(_versioned(network.model, _read(folder / WEIGHTS)))
    except RuntimeError as error:
        raise UserError(f"{folder}: does not fit the model: {' '.join(str(error).split())}") from None
    if (folder / GATES).exists():
        network.gates = {group: gate.to(network.device) for group, gate in _read(folder / GATES).items()}
    if (folder / MASKS).exists():
        network.masks = _read(folder / MASKS)
    return network


def load(folder: Path | str, plugins: tuple[str, ...] = ()) -> nn.Module:
    """Load a network that a run saved, in eval mode on the CPU. Pruned single weights are zero.

    plugins: files or modules that define the model, where neither PruneBench nor an installed package does.

    Raises `UserError` where the folder holds no network, or the network of an unknown model.
    """
    from prunebench.plugins.registry import get_model, load_registry
    from prunebench.pruning.analysis import analyse

    folder = Path(folder)
    saved = _saved(folder)
    given = saved.model
    if not given:
        raise UserError(f"{folder}: saved without the model's name; load it with prunebench.study.networks.load_into")
    with torch.random.fork_rng(devices=[]):
        model = get_model(given["model"], load_registry(plugins)).without_weights()
        dense = model(given["channels"], given["size"], given["classes"])
    example = torch.zeros(1, given["channels"], given["size"], given["size"])
    table = analyse(dense, example, given["model"], check=False)
    groups = tuple(group for group in table.groups if group.name in saved.kept)  # the run's check fixed the rest
    return load_into(dense, replace(table, groups=groups), folder).model.eval()


def _contiguous_on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _versioned(model: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Add the version numbers of the model's modules, without which torchvision's MNASNet does not load."""
    complete = OrderedDict(state)
    complete._metadata = getattr(model.state_dict(), "_metadata", None)  # type: ignore[attr-defined]
    return complete


def _saved(folder: Path) -> Saved:
    path = folder / WIDTHS
    if not path.is_file():
        raise UserError(f"{folder}: no saved network here ({WIDTHS} is missing); give a folder of stages/")
    return versioned(Saved, read_json(path), str(path), "network")


def _removed_units(folder: Path, group: str, units: int, kept: tuple[int, ...]) -> Tensor:
    inside = torch.zeros(units, dtype=torch.bool)
    if not kept or not all(0 <= number < units for number in kept):
        raise UserError(f"{folder}: does not fit the model: group '{group}' has {units} units, the file keeps {kept}")
    inside[list(kept)] = True
    return (~inside).nonzero().flatten()
