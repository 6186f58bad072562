"""The table of units: which positions of which layers go together."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from prunebench.errors import UserError, unknown
from prunebench.pruning.dependencies import dependencies
from prunebench.pruning.grouping import groups
from prunebench.pruning.network import Group, Network, Table
from prunebench.pruning.removal import remove
from prunebench.pruning.tracing import KINDS
from prunebench.pruning.verification import skeleton, twin, verify


def analyse(
    model: nn.Module, example: Tensor, name: str = "model", check: bool = True, classes: int | None = None
) -> Table:
    """Find the units of a dense network that can be removed, and everything that goes with each.

    A unit of a grouped convolution is the same position in each of its groups, on either side, so the groups stay
    equal. Layers whose units cannot be followed to all their readers keep them (`Table.fixed`), and so do those whose
    units turn out not to be removed exactly: on copies with random weights in float64, half of the units of every group
    are removed and compared with their mask, thrice.

    The model is left as it was.

    Args:
        model: any network of convolutions, linear layers and BatchNorm that returns one tensor, (batch, classes).
        example: pictures of the right size (batch, channels, height, width); their values do not matter.
        name: how errors call the model.
        check: make that comparison.
        classes: how many the output must have; any number if None.

    Raises:
        UserError: the network cannot be pruned, with the layer and the reason.

    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8, 2))
    >>> [(group.name, group.units) for group in analyse(net, torch.zeros(1, 1, 3, 3)).groups]
    [('0', 8)]
    """
    device = next(model.parameters(), example).device
    pictures = example.detach().to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            _refuse(model)
            table = _table(model, pictures, classes)
            if check:
                table = verify(model, table, pictures)
            if not table.groups:
                why = next((f": '{layer}' keeps its units because of {why}" for layer, why in table.fixed.items()), "")
                raise UserError(f"it has no layer whose units could be removed{why}")
        except UserError as error:
            raise UserError(f"{name} cannot be pruned: {error}") from error
    return table


def resize(model: nn.Module, widths: Mapping[str, int], example: Tensor) -> nn.Module:
    """Give a narrower copy of a network; the first units of every group stay, with their weights.

    Args:
        model: a dense network.
        widths: units to keep, by group or by any convolution or linear layer of a group.
        example: pictures of the right size (batch, channels, height, width).

    Raises:
        UserError: a layer that does not exist or cannot be narrowed; a width of 0 or more than there are; two widths
            for one group.

    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4, 2))
    >>> resize(net, {"0": 3}, torch.zeros(1, 1, 4, 4))[3]
    Linear(in_features=12, out_features=2, bias=True)
    """
    table = analyse(model, example)
    chosen = _widths(table, widths)
    gone = {group.name: torch.arange(chosen[group.name], group.units) for group in table.groups if group.name in chosen}
    return remove(Network.dense(model, table), gone).model


def _widths(table: Table, widths: Mapping[str, int]) -> dict[str, int]:
    homes: dict[str, Group] = {layer: group for group in table.groups for layer in group.producers}
    chosen: dict[str, int] = {}
    for layer, width in widths.items():
        if layer not in homes:
            raise unknown("layer with removable units", layer, homes)
        group = homes[layer]
        if not 1 <= width <= group.units:
            raise UserError(f"width {width} of '{layer}' must be between 1 and {group.units}")
        if chosen.setdefault(group.name, width) != width:
            raise UserError(f"width {width} of '{layer}' contradicts {chosen[group.name]}: its group is '{group.name}'")
    return chosen


def _refuse(model: nn.Module) -> None:
    owner: dict[int, str] = {}
    for layer, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.out_channels != module.in_channels:
            raise UserError(f"layer '{layer}' has {module.groups} groups of one output and several input channels")
        if isinstance(module, KINDS) and parametrize.is_parametrized(module):
            raise UserError(f"layer '{layer}' is parametrised (weight_norm or the like): remove the parametrisation")
    for parameter, tensor in model.named_parameters(remove_duplicate=False):
        first = owner.setdefault(id(tensor), parameter)
        if first == parameter or model.get_parameter(first) is not tensor:
            continue
        one, other = first.rpartition(".")[0], parameter.rpartition(".")[0]
        if model.get_submodule(one) is model.get_submodule(other):
            raise UserError(f"layers '{one}' and '{other}' are one and the same; make one layer for each use")
        raise UserError(f"layers share the weights '{first}' and '{parameter}'; give each layer its own")


def _table(model: nn.Module, pictures: Tensor, classes: int | None) -> Table:
    """Analyse a copy without numbers; where that cannot be run, a full one, whose errors are the true ones."""
    try:
        return _analyse(skeleton(model), pictures.to("meta"), classes)
    except Exception:
        return _analyse(twin(model, Tensor.clone), pictures, classes)


def _analyse(model: nn.Module, pictures: Tensor, classes: int | None) -> Table:
    try:
        seen, found, followers = dependencies(model, pictures, classes)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"its layers cannot be followed through its forward pass ({type(error).__name__})") from error
    free: list[Group] = []
    fixed: dict[str, str] = {}
    for group, reason in groups(model, found, seen.order):
        if not reason and any(part.side == "in" for part in group.slices):
            free.append(group)
        elif reason not in ("", "output"):
            fixed |= dict.fromkeys(group.producers, reason)
    return Table(tuple(free), seen.positions, seen.norm, seen.tail, seen.joined, followers, fixed)
