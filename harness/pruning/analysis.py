"""Make the table of units: which positions of which layers are removed together."""

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral

import torch
from torch import Tensor, nn

from prunebench.errors import UserError, kind_of, unknown
from prunebench.processes import uncollected
from prunebench.pruning.copies import copied, copying, skeleton, twin
from prunebench.pruning.dependencies import dependencies
from prunebench.pruning.grouping import groups
from prunebench.pruning.kinds import LAYERS
from prunebench.pruning.network import Group, Network, Table, why_kept
from prunebench.pruning.operations import other_macs
from prunebench.pruning.removal import remove_in_place
from prunebench.pruning.suitability import ALONE, check_numbers, check_suitable, eagerly, uncompiled
from prunebench.pruning.verification import MIXED, verify

BY_VALUE = "a forward pass that looks at its numbers, so that they may choose a branch"


def analyse(
    model: nn.Module, example: Tensor, name: str = "model", check: bool = True, classes: int | None = None
) -> Table:
    """Find the removable units of a dense network, and the slices of all layers that belong to each unit.

    A unit of a grouped convolution is one position, the same in each convolution group, so these groups stay equal.
    So are the channels of one group of a GroupNorm. A layer keeps its units (`Table.fixed`) if they cannot be followed
    to every layer that reads them, if their removal is not exact, or if their order matters. This is checked on copies
    with random parameters in float64. Units change places; then random units are removed, to about half and to the
    default floor. The outputs must equal those of the whole copy and of masked copies.

    The model is not changed.

    Args:
        model: any network that returns one tensor, (batch, classes). Units are those of `Conv2d` and `Linear`.
        example: pictures of the right size (batch, channels, height, width); their values do not matter.
        name: how errors call the model.
        check: whether to make this check, and to measure `Table.macs`.
        classes: classes that the output must have; None accepts any number.

    Raises:
        UserError: the network cannot be pruned, or the example is no batch of pictures. The message names the layer
            and the reason.

    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8, 2))
    >>> [(group.name, group.units) for group in analyse(net, torch.zeros(1, 1, 3, 3)).groups]
    [('0', 8)]
    """
    if not isinstance(example, Tensor) or example.ndim < 2:
        what = f"a tensor of shape {tuple(example.shape)}" if isinstance(example, Tensor) else kind_of(example)
        raise UserError(f"example: {what}; give a tensor of pictures, (batch, channels, height, width)")
    device = next(model.parameters(), example).device
    pictures = torch.cat([example.detach()[:1]] * 2).to(device)
    with ALONE, eagerly(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            check_suitable(model, example.dtype)
            if check:
                check_numbers(model)
            with uncollected():
                table, reason = _table(model, pictures, classes)
            if check:
                table = verify(model, table, pictures, reason)
            if not table.groups:
                raise UserError(f"it has no layer whose units could be removed{_why_none(model, table)}")
            if check:
                with uncollected():
                    table = replace(table, macs=other_macs(model, table, pictures))
        except UserError as error:
            raise UserError(f"{name} cannot be pruned: {error}") from error
    return table


def resize(model: nn.Module, widths: Mapping[str, int], example: Tensor) -> nn.Module:
    """Copy a network with fewer units; the first units of every group stay, with their weights.

    Args:
        model: a dense network.
        widths: units to keep, by group or by any convolution or linear layer of a group.
        example: pictures of the right size (batch, channels, height, width).

    Raises:
        UserError: a layer has no removable units, a width is below 1 or above the number of units, or one group is
            given two widths.

    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4, 2))
    >>> resize(net, {"0": 3}, torch.zeros(1, 1, 4, 4))[3]
    Linear(in_features=12, out_features=2, bias=True)
    """
    model = uncompiled(copied(model, "the network"))
    table = analyse(model, example)
    chosen = _widths(table, widths)
    gone = {group.name: torch.arange(chosen[group.name], group.units) for group in table.groups if group.name in chosen}
    return remove_in_place(Network.dense(model, table), gone).model


def _why_none(model: nn.Module, table: Table) -> str:
    """Say why no unit can be removed."""
    for text in why_kept(table.fixed):
        return f": {text}"
    for layer, module in model.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv3d)):
            return f": units are filters of Conv2d and outputs of Linear; '{layer}' is a {type(module).__name__}"
    return ""


def _widths(table: Table, widths: Mapping[str, int]) -> dict[str, int]:
    homes: dict[str, Group] = {layer: group for group in table.groups for layer in group.producers}
    chosen: dict[str, int] = {}
    for layer, width in widths.items():
        if layer in table.fixed:
            raise UserError(f"'{layer}' keeps its units because of {table.fixed[layer]}; give no width for it")
        if layer not in homes:
            raise unknown("layer with removable units", layer, homes)
        group = homes[layer]
        if not isinstance(width, Integral) or not 1 <= width <= group.units:
            raise UserError(f"width {width} of '{layer}' must be a whole number between 1 and {group.units}")
        if chosen.setdefault(group.name, width) != width:
            raise UserError(
                f"width {width} of '{layer}' contradicts width {chosen[group.name]} of its group '{group.name}'; "
                "give one width for each group"
            )
    return chosen


def _table(model: nn.Module, pictures: Tensor, classes: int | None) -> tuple[Table, str]:
    """Analyse a copy that has shapes only. If it cannot run, analyse a full copy, whose errors tell the true cause.

    Returns the table, and why a removal may turn out not to be exact.
    """
    try:
        return _analyse(skeleton(model), pictures.to("meta"), classes), MIXED
    except Exception:
        with copying("it"):
            copy = twin(model, Tensor.clone)
        return _analyse(copy, pictures, classes, by_value=True), BY_VALUE


def _analyse(model: nn.Module, pictures: Tensor, classes: int | None, by_value: bool = False) -> Table:
    try:
        trace, entries, sole_readers = dependencies(model, pictures, classes)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"the graph of its forward pass cannot be analysed ({type(error).__name__})") from error
    idle = [name for name, layer in model.named_modules() if isinstance(layer, LAYERS) and not trace.calls[name]]
    if by_value and idle:
        what = f"layer '{idle[0]}' did not run when the network was analysed"
        raise UserError(f"{what}, and the forward pass looks at its numbers: a branch may choose the layer")
    free: list[Group] = []
    fixed: dict[str, str] = {}
    for group, reason in groups(model, entries, trace.order):
        if not reason and any(part.side == "in" for part in group.slices):
            free.append(group)
        elif reason not in ("", "output"):
            fixed |= dict.fromkeys(group.producers, reason)
    fixed |= {name: f"'{name}', which {why}" for name, why in trace.stops.items() if name not in fixed}
    positions = {name: number for name, number in trace.positions.items() if name not in trace.stops}
    return Table(tuple(free), positions, trace.norm, trace.tail, trace.joined, sole_readers, fixed)
