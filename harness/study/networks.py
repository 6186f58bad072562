"""Saves and loads networks: tensors as safetensors, the kept units as JSON; no pickle, and nothing is imported."""

import hashlib
import logging
import shlex
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prunebench.blocks.finding import Block, find_blocks
from prunebench.blocks.removing import without_blocks
from prunebench.errors import DamagedFileError, UserError, printable, reason
from prunebench.plugins.model import Model
from prunebench.plugins.options import split_name
from prunebench.pruning.network import Network, Table, weight_of
from prunebench.pruning.removal import remove
from prunebench.records.names import model_label
from prunebench.records.store_files import GATES, MASKS, PUSHED, WEIGHTS, read_json
from prunebench.records.validation import Count, Frozen, Name, Number, Text, versioned
from prunebench.seeding import seeded
from prunebench.study.analyses import graph_of

log = logging.getLogger("prunebench")

WIDTHS = "widths.json"
NOT_SAVED = "the network was not saved; finished points are not computed again: save it in another results folder"


class Origin(Frozen):
    """Facts from which `load` builds the dense network, and what its pictures and scores mean.

    model: its name in the registry, with options. class_names: in the order of the scores. mean, std: of each channel,
    by which pictures from 0 to 1 are normalised. graph: see `Task`; it shows whether the model's code has changed. All
    four are empty in folders of earlier versions.
    """

    model: Name
    channels: Annotated[int, Field(ge=1, le=10_000)]
    size: Annotated[int, Field(ge=1, le=10_000)]
    classes: Annotated[int, Field(ge=1, le=1_000_000)]
    class_names: tuple[Text, ...] = ()
    mean: tuple[Number, ...] = ()
    std: tuple[Number, ...] = ()
    graph: Text = ""


class Saved(Frozen):
    """What `widths.json` holds. kept: the original numbers of the remaining units, rising, by group.

    blocks: names of the residual blocks that were removed. It is left out where there is none, as in earlier versions.
    """

    schema_version: int = 1
    model: Origin | None
    kept: dict[Name, tuple[Count, ...]]
    blocks: tuple[Name, ...] = ()


def save(network: Network, folder: Path, model: Origin | None = None) -> None:
    """Write a network's tensors, units, gates and masks into a folder, which is created if missing.

    For an atomic save, write to a temporary folder and rename that folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = {group: tuple(units.tolist()) for group, units in network.kept.items()}
    saved = Saved(model=model, kept=kept, blocks=tuple(sorted(network.blocks)))
    left_out = None if network.blocks else {"blocks"}
    (folder / WIDTHS).write_text(saved.model_dump_json(indent=1, exclude=left_out))
    save_file(_contiguous_on_cpu(network.model.state_dict()), folder / WEIGHTS)
    if network.gates:
        save_file(_contiguous_on_cpu(network.gates), folder / GATES)
    if network.masks:
        save_file(_contiguous_on_cpu(network.masks), folder / MASKS)
    if network.pushed:
        save_file(_contiguous_on_cpu(network.pushed), folder / PUSHED)


def network_digest(network: Network) -> str:
    """Hash what decides outputs and cuts: names, shapes and bits of tensors, gates, masks, kept and pushed units.

    Two stages of one key with other digests were computed where numbers round otherwise.
    """
    digest = hashlib.sha256()
    for tensors in (network.model.state_dict(), network.gates, network.masks, network.pushed, network.kept):
        for name, tensor in _contiguous_on_cpu(tensors).items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
            digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def load_into(model: nn.Module, table: Table, folder: Path, blocks: Collection[Block] = ()) -> Network:
    """Rebuild a saved network from its dense model, which is not changed and whose weights do not matter.

    Widths, weights, buffers, gates, masks and pushed units come from the folder. Names, shapes and types must be the
    dense model's. Device, training mode and `requires_grad` come from the dense model.

    Raises `UserError` where the folder holds no network of this model.
    """
    saved = _saved(folder)
    kept = saved.kept
    whole = _without(Network.dense(model, table), saved.blocks, blocks, folder)
    table = whole.table
    if set(kept) != {group.name for group in table.groups}:
        cure = "load it into the model it is of"
        raise DamagedFileError(f"{folder}: does not fit the model: the coupled groups differ; {cure}")
    gone = {g.name: _removed_units(folder, g.name, g.units, kept[g.name]) for g in table.groups}
    if not (folder / WEIGHTS).exists():
        raise UserError(f"{folder}: {NOT_SAVED} (a rung is saved under save: all)")
    network = remove(whole, gone)
    tensors = _fitting(folder / WEIGHTS, network.model.state_dict())
    network.model.load_state_dict(_versioned(network.model, tensors))
    if (folder / GATES).exists():
        gates = {group: torch.empty(count, dtype=network.dtype) for group, count in network.units.items()}
        found = _fitting(folder / GATES, gates, some=True)
        network.gates = {group: gate.to(network.device) for group, gate in found.items()}
    if (folder / MASKS).exists():
        masks = {layer: weight_of(network, layer).bool() for layer in table.positions}
        network.masks = dict(_fitting(folder / MASKS, masks, some=True))
    if (folder / PUSHED).exists():
        units = {group: torch.empty(count, dtype=torch.bool) for group, count in network.units.items()}
        network.pushed = dict(_fitting(folder / PUSHED, units, some=True))
    return network


def _without(network: Network, gone: Collection[str], known: Collection[Block], folder: Path) -> Network:
    """Remove the blocks that a saved network lacks; a network that lacks none is given as it is."""
    blocks = {block.name: block for block in known}
    if odd := [name for name in gone if name not in blocks]:
        raise DamagedFileError(f"{folder}: does not fit the model: it has no block '{odd[0]}'")
    return without_blocks(network, [blocks[name] for name in gone]) if gone else network


def load(folder: Path | str, plugins: tuple[str, ...] = (), models: Collection[str] = ()) -> nn.Module:
    """Load a network that a run saved, in eval mode on the CPU. Pruned single weights are zero.

    A folder is data and imports nothing. So a model that neither PruneBench nor an installed package registers must be
    allowed: by `plugins`, the files or modules that register it, or by `models`, such as `["mynets:small"]` or
    `["path/to/mynets.py:small"]`. Options of the model may follow its name.

    Raises `UserError` where the folder holds no network, or the network of a model that is not allowed.
    """
    return load_network(folder, plugins, models).model.eval()


def read_origin(folder: Path) -> Origin | None:
    """Read what a saved network is of. Raises `UserError` where the folder holds no network."""
    return _saved(folder).model


def load_network(folder: Path | str, plugins: tuple[str, ...] = (), models: Collection[str] = ()) -> Network:
    """Load a saved network as `load` does, with its remaining units and masks."""
    folder = Path(folder)
    return rebuild(folder, allowed_model(_origin(folder).model, folder, plugins, models))


def rebuild(folder: Path, model: Model) -> Network:
    """Load a network that a run saved, with the model that it is of; raises `UserError` as `load` does."""
    origin = _origin(folder)
    dense = dense_network(origin, folder, model)
    blocks: tuple[Block, ...] = ()
    if _saved(folder).blocks:
        blocks = find_blocks(dense.model, torch.zeros(2, origin.channels, origin.size, origin.size))
    return load_into(dense.model, dense.table, folder, blocks)


def dense_network(origin: Origin, folder: Path, model: Model) -> Network:
    """Build the dense network of a saved one, with fresh weights. folder: of the saved network, for its groups."""
    from prunebench.pruning.analysis import analyse

    try:
        with seeded(0, "analysis"):
            dense = model(origin.channels, origin.size, origin.classes)
            example = torch.randn(2, origin.channels, origin.size, origin.size)[:1]
        if origin.graph and graph_of(dense, example) != origin.graph:
            _warn_of_edit(origin.model)
        table = analyse(dense, example, origin.model, check=False)
    except UserError:
        raise
    except Exception as error:  # the model's own code, called with sizes that do not suit it
        where = f"{origin.size} pixels"
        raise UserError(f"{folder}: '{origin.model}' cannot be built for {where}: {reason(error)}") from None
    saved = _saved(folder)
    inside = tuple(f"{name}." for name in saved.blocks)
    groups = tuple(
        group
        for group in table.groups
        if group.name in saved.kept or (inside and all(layer.startswith(inside) for layer in group.producers))
    )  # the run's check fixed the rest
    return Network.dense(dense, replace(table, groups=groups))


@cache  # once for all networks of a folder
def _warn_of_edit(label: str) -> None:
    what = f"'{label}' builds another network than that which was saved"
    log.warning("%s: its code, what the code reads, or PyTorch has changed; measured numbers are of the former", what)


def _origin(folder: Path) -> Origin:
    given = _saved(folder).model
    if not given:
        raise UserError(f"{folder}: saved without the model's name; load it with prunebench.study.networks.load_into")
    return given


def check_allowed(label: str, folder: Path, plugins: tuple[str, ...], models: Collection[str]) -> None:
    """Raise `UserError` for a model that is not registered, unless the caller allows its code.

    label: of the saved network. models: allowed functions, with or without options. Imports nothing but plugins.
    """
    from prunebench.plugins.registry import load_registry

    name, _, argument = split_name(label)
    if name in load_registry(plugins).models or (argument and _function(label) in map(_function, models)):
        return
    allow = f"--model {shlex.quote(label)}, in Python models=[{label!r}]"
    plugin = "--plugin FILE, in Python plugins=('FILE',), with the file that registers it"
    cure = f"if you trust its code, allow it: {allow if argument else plugin}"
    raise UserError(f"{folder}: the network is of '{label}', which is not a registered model; {cure}")


def _function(label: str) -> tuple[str, str]:
    """Return module and function of a model of one's own, without its options."""
    module, _, function = split_name(model_label(label))
    return module, function


def _located(label: str, models: Collection[str]) -> str:
    """Put the file that the caller names in place of the module in a label."""
    given = next((one for one in models if _function(one) == _function(label)), label)
    return label.replace(label.partition(":")[0], given.partition(":")[0], 1)


def allowed_model(label: str, folder: Path, plugins: tuple[str, ...] = (), models: Collection[str] = ()) -> Model:
    """Find a saved network's model by its label, without importing what only the label names.

    Raises `UserError` as `check_allowed` does.
    """
    from prunebench.plugins.registry import get_model, load_registry

    check_allowed(label, folder, plugins, models)
    return get_model(_located(label, models), load_registry(plugins)).without_weights()


def _contiguous_on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give contiguous copies. A tensor that has two names is given twice: safetensors refuses shared memory."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        found[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return found


def _fitting(path: Path, wanted: Mapping[str, Tensor], some: bool = False) -> Mapping[str, Tensor]:
    """Read tensors whose names, shapes and types are those that are wanted. some: whether a part of them will do."""
    try:
        found = load_file(path)
    except OSError as error:
        raise UserError(printable(f"{path}: cannot be read: {error}")) from None
    except SafetensorError as error:
        raise DamagedFileError(printable(f"{path}: cannot be read: {error}")) from None
    odd = [*(found.keys() - wanted.keys()), *(() if some else wanted.keys() - found.keys())]
    if odd:
        what = "is not of this model" if odd[0] in found else "is missing"
        raise DamagedFileError(printable(f"{path}: does not fit the model: {min(odd)} {what}"))
    for name, tensor in found.items():
        shape, kind = tuple(wanted[name].shape), wanted[name].dtype
        if (tuple(tensor.shape), tensor.dtype) != (shape, kind):
            given = f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}, not {kind} of shape {shape}"
            raise DamagedFileError(f"{path}: does not fit the model: {given}")
        if not tensor.isfinite().all() and wanted[name].isfinite().all():  # a mask of attention may hold -inf
            raise DamagedFileError(f"{path}: {name} holds numbers that are infinite or not a number")
    return found


def _versioned(model: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Add the version numbers of the model's modules, without which torchvision's MNASNet does not load."""
    complete = OrderedDict(state)
    complete._metadata = getattr(model.state_dict(), "_metadata", None)  # type: ignore[attr-defined]
    return complete


def _saved(folder: Path) -> Saved:
    path = folder / WIDTHS
    if not path.is_file():
        raise DamagedFileError(f"{folder}: no saved network here ({WIDTHS} is missing); give a folder of stages/")
    return versioned(Saved, read_json(path), str(path), "network")


def _removed_units(folder: Path, group: str, units: int, kept: tuple[int, ...]) -> Tensor:
    inside = torch.zeros(units, dtype=torch.bool)
    if not kept or kept[-1] >= units or list(kept) != sorted(set(kept)):
        some = f"{str(kept)[:60]}..." if len(str(kept)) > 60 else kept
        fault = f"group '{group}' has {units} units, the file keeps {some}"
        raise DamagedFileError(f"{folder}: does not fit the model: {fault}")
    inside[list(kept)] = True
    return (~inside).nonzero().flatten()
