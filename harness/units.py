"""The table of units: which positions of which layers go together. The only file that touches torch-pruning."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.layers import ChannelPad
from prunebench.network import Group, Network, Side, Slice, Table
from prunebench.removal import mask, remove
from prunebench.tracing import KINDS, Trace, trace

SEED = 2020


class _PadPruner(tp.function.BasePruningFunc):  # type: ignore[misc]
    """Tells torch-pruning that the two sides of a ChannelPad are independent, as those of a convolution are."""

    def prune_out_channels(self, layer: ChannelPad, idxs: Sequence[int]) -> None:
        """Never called: we slice ourselves."""

    def prune_in_channels(self, layer: ChannelPad, idxs: Sequence[int]) -> None:
        """Never called: we slice ourselves."""

    def get_out_channels(self, layer: ChannelPad) -> int:
        """Channels of the output."""
        return layer.out_channels

    def get_in_channels(self, layer: ChannelPad) -> int:
        """Channels of the input."""
        return layer.in_channels


def analyse(model: nn.Module, example: Tensor, name: str = "model", check: bool = True) -> Table:
    """Find the units of a dense network that can be removed, and everything that goes with each.

    The model is left as it was. A network whose units cannot be removed cleanly is refused: on a copy with random
    weights in float64, a random third of every group is removed and compared with its mask.

    Args:
        model: any network of convolutions, linear layers and BatchNorm that returns one tensor.
        example: pictures of the right size (batch, channels, height, width); their values do not matter.
        name: how errors call the model.
        check: make that comparison.

    Raises:
        UserError: the network cannot be pruned.
    """
    device = next(model.parameters(), example).device
    pictures = example.detach().to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            table = _analyse(deepcopy(model).eval().requires_grad_(), pictures)
            if check:
                verify(model, table, pictures)
        except Exception as error:
            raise UserError(f"{name} cannot be pruned: {_line(error)}") from error
    return table


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    reason = text[0] if text else "no reason given"
    return reason if isinstance(error, UserError) else f"{type(error).__name__}: {reason}"


def _analyse(model: nn.Module, pictures: Tensor) -> Table:
    _refuse(model)
    seen = trace(model, pictures)
    with torch.enable_grad():
        graph = tp.DependencyGraph().build_dependency(
            model, (pictures,), customized_pruners={ChannelPad: _PadPruner()}, verbose=False
        )
    groups = tuple(_groups(model, graph, seen))
    for node in graph.module2node.values():
        vars(node).clear()  # its nodes are a cycle that would keep the copy and its activations alive
    if not groups:
        raise UserError("it has no layer whose units could be removed")
    return Table(groups, seen.positions, seen.norm, seen.tail)


def _refuse(model: nn.Module) -> None:
    owner: dict[int, str] = {}
    for layer, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and not module.groups == 1 and not _depthwise(module):
            raise UserError(f"layer '{layer}' is a grouped convolution ({module.groups} groups)")
    for parameter, tensor in model.named_parameters(remove_duplicate=False):
        first = owner.setdefault(id(tensor), parameter)
        if first != parameter and model.get_parameter(first) is tensor:
            raise UserError(f"layers share the weights '{first}' and '{parameter}'")


def _depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels


def _groups(model: nn.Module, graph: Any, seen: Trace) -> Iterator[Group]:
    names = {module: layer for layer, module in model.named_modules()}
    done: set[str] = set()
    for root in seen.order:
        layer = model.get_submodule(root)
        if root in done or _depthwise(layer):
            continue
        pruner = graph.get_pruner_of_module(layer)
        units = pruner.get_out_channels(layer)
        items = graph.get_pruning_group(layer, pruner.prune_out_channels, list(range(units))).items
        slices = [_slice(graph, names, item, units) for item in items if _real(item.dep.target.module)]
        outs = {part.layer for part in slices if part.side == "out"}
        done |= outs
        leaves = any(isinstance(item.dep.target.module, tp.ops._OutputOp) for item in items)
        if not leaves and any(part.side == "in" for part in slices):
            yield Group(root, units, tuple(made for made in seen.order if made in outs), tuple(slices))


def _real(module: object) -> bool:
    return not type(module).__module__.startswith(tp.ops.__name__)


def _slice(graph: Any, names: dict[nn.Module, str], item: Any, units: int) -> Slice:
    module = item.dep.target.module
    if not isinstance(module, KINDS):
        what = f"'{names[module]}' ({type(module).__name__})" if module in names else f"a {type(module).__name__}"
        raise UserError(f"its units pass through {what}")
    side: Side = "out" if graph.is_out_channel_pruning_fn(item.dep.handler) else "in"
    roots, positions = torch.tensor(item.root_idxs), torch.tensor(item.idxs)
    share = torch.bincount(roots, minlength=units)
    if not (share == share[0]).all():
        raise UserError(f"layer '{names[module]}' does not use all units alike")
    # torch-pruning gives the positions in any order (through a set), each beside the unit it belongs to.
    order = (roots * (positions.max() + 1) + positions).argsort()
    return Slice(names[module], side, positions[order].view(units, -1))


def verify(model: nn.Module, table: Table, pictures: Tensor) -> None:
    """Remove a random third of every group and compare with the mask, on a randomised copy in float64.

    pictures: (batch, channels, height, width), for their shape and device. Raises `UserError` if the outputs differ.
    """
    device = torch.device("cpu") if pictures.device.type == "mps" else pictures.device
    generator = torch.Generator().manual_seed(SEED)
    noise = torch.randn(pictures.shape, generator=generator, dtype=torch.float64).to(device)
    third = {group.name: torch.randperm(group.units, generator=generator)[: _third(group)] for group in table.groups}
    if not _difference(_random(model, table, device), third, noise):
        return
    for name, units in third.items():
        found = _difference(_random(model, table, device), {name: units}, noise)
        if found:
            raise UserError(f"without some units of layer '{name}' {found}")
    raise UserError("removing units of several layers does not equal setting them to zero")


def _third(group: Group) -> int:
    return min(max(group.units // 3, 1), group.units - 1)


@torch.no_grad()
def _difference(network: Network, units: dict[str, Tensor], pictures: Tensor) -> str:
    """Say what goes wrong when units are removed; nothing if all is well. Masks the network."""
    try:
        small = remove(network, units).model(pictures)
        mask(network, units)
        masked = network.model(pictures)
    except Exception as error:
        return f"it fails: {_line(error)}"
    same = small.shape == masked.shape and bool((small - masked).abs().max() <= 1e-11 * masked.abs().max())
    return "" if same else "its output is not what it is with them set to zero"


@torch.no_grad()
def _random(model: nn.Module, table: Table, device: torch.device) -> Network:
    """Copy a network and give every layer weights that matter: a fresh one may hide a branch behind a zero."""
    copy = deepcopy(model).eval().requires_grad_(False).to(device, torch.float64)
    generator = torch.Generator(device).manual_seed(SEED)
    for module in copy.modules():
        for name, tensor in module.state_dict().items() if isinstance(module, KINDS) else ():
            if name in ("bias", "running_mean"):
                tensor.uniform_(-0.5, 0.5, generator=generator)
            elif tensor.ndim > 1:
                bound = (6 / tensor[0].numel()) ** 0.5  # keeps the size of the signal through a ReLU
                tensor.uniform_(-bound, bound, generator=generator)
            elif tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5, generator=generator)
    return Network.dense(copy, table)
