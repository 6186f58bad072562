"""Check that removing units equals setting them to zero, on a copy of the network with random weights in float64."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.errors import UserError
from prunebench.pruning.kinds import KINDS, NORMS, channel_axis, own_tensors
from prunebench.pruning.network import Network, Table
from prunebench.pruning.removal import deep_copy, plain_tensors, remove_in_place, zero_units
from prunebench.pruning.selection import Rule, lowest

Check = Callable[[Mapping[str, Tensor], Tensor], str]  # units, pictures -> what goes wrong

SEED = 2020
DRAWS, CODES = 3, 7
TOLERANCE = 1e-11
SIDE = 64
DIFFERS = "its output differs from the output with these units set to zero"
NOT_FINITE = "its output is not finite with random parameters"
MIXED = "an operation that mixes units or cannot be followed"
TRAINING = "what reads it in training alone"
PATTERN = 65_537  # numbers drawn for a large weight; prime, so that no two rows of the weight are equal


def verify(model: nn.Module, table: Table, pictures: Tensor, reason: str = MIXED) -> Table:
    """Compare removed units of every group with masked ones, on randomised copies in float64.

    Returns the table. Groups that fail alone are moved to `Table.fixed`. So are groups without whose units the network
    fails in training mode, where it may call more layers.

    Args:
        model: a dense network.
        table: of its units; every group has two or more.
        pictures: (batch, channels, height, width), for their shape and device.
        reason: why a group that fails keeps its units.

    Raises:
        UserError: the network cannot be compared, or groups fail only together.
    """
    if table.groups and not _matters(model, table, pictures):
        raise UserError("it cannot be checked: with random parameters its output does not depend on its units")
    return _verified(model, table, pictures, reason)


def _verified(model: nn.Module, table: Table, pictures: Tensor, reason: str) -> Table:
    for units in _draws(table):
        if difference(model, table, units, pictures):
            if problem := difference(model, table, {}, pictures):
                two = "two passes in eval mode differ; give dropout training=self.training"
                raise UserError(f"it cannot be checked in float64: {two if problem == DIFFERS else problem}")
            fails = partial(difference, model, table)
            return _verified(model, _without_faulty(table, units, fails, pictures, reason), pictures, reason)
    fewest = list(_draws(table))[-1:]  # it removes units of every group, and shapes alone are looked at
    for units in fewest:
        if _fails_in_training(model, table, units, pictures) and not _fails_in_training(model, table, {}, pictures):
            fails = partial(_fails_in_training, model, table)
            return _verified(model, _without_faulty(table, units, fails, pictures, TRAINING), pictures, reason)
    return table


def _without_faulty(table: Table, units: Mapping[str, Tensor], fails: Check, pictures: Tensor, reason: str) -> Table:
    """Move the groups that fail alone to `Table.fixed`."""
    faulty = _faulty(units, fails, pictures)
    if not faulty:
        raise UserError("removing units of several layers together does not equal setting these units to zero")
    fixed = {layer: reason for name in faulty for layer in table.group(name).producers}
    groups = tuple(group for group in table.groups if group.name not in faulty)
    return replace(table, groups=groups, fixed={**table.fixed, **fixed})


def _fails_in_training(model: nn.Module, table: Table, units: Mapping[str, Tensor], pictures: Tensor) -> str:
    """Say what happens when units are removed and the network runs in training mode; "" if it runs."""
    small = remove_in_place(Network.dense(skeleton(model), table), units).model.train()
    try:
        small(torch.empty(max(2, len(pictures)), *pictures.shape[1:], device="meta"))
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


def difference(model: nn.Module, table: Table, units: Mapping[str, Tensor], pictures: Tensor) -> str:
    """Say what goes wrong when units are removed from a randomised copy of a network; "" if nothing does.

    Small pictures (one or two, at most 64 pixels a side) are tried first. The given size is tried only if they fail.

    Args:
        model: a dense network.
        table: of its units.
        units: by group, (any,).
        pictures: (batch, channels, height, width), for their shape and device.
    """
    # MPS has no float64
    device = torch.device("cpu") if pictures.device.type == "mps" else pictures.device
    for shape in _shapes(pictures):
        noise = _noise(shape).to(device)
        problem = _compare(randomised(model, table, device), units, noise)
        if problem == NOT_FINITE:
            problem = _compare(randomised(model, table, device, every=False), units, noise)
        if not problem:
            break
    return problem


def _shapes(pictures: Tensor) -> list[tuple[int, ...]]:
    """Return the shapes to try: one or two small pictures, then those of the given size."""
    batch, channels, *size = pictures.shape
    small = (min(batch, 2), channels, *(min(side, SIDE) for side in size))
    return list(dict.fromkeys((small, (min(batch, 2), channels, *size))))


def _noise(shape: Sequence[int]) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)


def _matters(model: nn.Module, table: Table, pictures: Tensor) -> bool:
    """Tell whether the output depends on the units of the table at all; else nothing can be compared."""
    fails = False
    for shape, dtype in product(_shapes(pictures), (torch.float32, torch.float64)):
        try:
            if _depends(model, table, shape, dtype):
                return True
            fails = False
        except Exception:
            fails = True  # of the given size, the comparison will say why
    return fails


@torch.no_grad()
def _depends(model: nn.Module, table: Table, shape: Sequence[int], dtype: torch.dtype) -> bool:
    """Tell whether zeroed units change the output. In float32 it costs less; float64 shows smaller changes.

    An output that is infinite in float32 tells nothing.
    """
    network, noise = randomised(model, table, torch.device("cpu"), dtype=dtype), _noise(shape).to(dtype)
    whole = network.model(noise)
    if dtype is torch.float32 and not whole.isfinite().all():
        return False
    for units in _draws(table):
        zero_units(network, units)
        if not torch.equal(whole, network.model(noise)):
            return True
    return False


@torch.no_grad()
def twin(model: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    """Copy a network in eval mode, with every parameter and buffer replaced; parameters of the copy are trainable.

    change: makes the new tensor from the old one, which is not copied.
    """
    memo: dict[int, Any] = {id(tensor): change(tensor) for tensor in model.buffers()}
    memo |= {id(tensor): nn.Parameter(change(tensor)) for tensor in model.parameters() if tensor.is_floating_point()}
    memo |= {id(tensor): change(tensor.detach()) for tensor in plain_tensors(model)}
    return deep_copy(model, memo).eval()


def skeleton(model: nn.Module, own_curves: bool = False) -> nn.Module:
    """Copy a network to the meta device, where a forward pass computes shapes alone.

    own_curves: whether its nonlinearities are the network's own; else a ReLU stands for a ReLU6 or Hardtanh.
    """
    bare = twin(model, lambda tensor: torch.empty_like(tensor, device="meta"))
    for module in bare.modules():
        # both keep shapes, and are slow on the meta device
        if isinstance(module, NORMS):
            module.forward = torch.clone  # type: ignore[method-assign]
        elif not own_curves and isinstance(module, nn.Hardtanh) and type(module) in (nn.Hardtanh, nn.ReLU6):
            module.forward = partial(F.relu, inplace=module.inplace)  # type: ignore[method-assign]
    return bare


@torch.no_grad()
def randomised(
    model: nn.Module, table: Table, device: torch.device, every: bool = True, dtype: torch.dtype = torch.float64
) -> Network:
    """Copy a network to a device and type, with random parameters: a fresh one may hide a branch behind a zero.

    Buffers are random, too, in BatchNorm and in other modules that have units.

    every: whether to draw all parameters, or only those of layers and of other modules that have units.
    """
    cut = {part.layer for group in table.groups for part in group.slices}
    filled = {id(tensor) for tensor in model.parameters() if every}
    for name, module in model.named_modules():
        for key, tensor in own_tensors(module).items():
            if isinstance(module, KINDS) or {name, f"{name}.{key}".lstrip(".")} & cut:
                filled.add(id(tensor))

    def change(tensor: Tensor) -> Tensor:
        if id(tensor) in filled and tensor.is_floating_point():
            return torch.empty_like(tensor, dtype=dtype, device=device)
        return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype, copy=True)

    copy = twin(model, change).requires_grad_(False)
    generator = torch.Generator().manual_seed(SEED)
    for module, original in zip(copy.modules(), model.modules(), strict=True):
        for (name, tensor), before in zip(own_tensors(module).items(), own_tensors(original).values(), strict=True):
            if id(before) in filled and tensor.is_floating_point():
                _randomise(name, tensor, generator)
    return Network.dense(copy, table)


def _randomise(name: str, tensor: Tensor, generator: torch.Generator) -> None:
    if name in ("bias", "running_mean"):
        _fill(tensor, -0.5, 0.5, generator)
    elif tensor.ndim < 2 or channel_axis(tensor) is not None or tensor.numel() == 1:
        _fill(tensor, 0.5, 1.5, generator)
    else:
        bound = (6 / tensor[0].numel()) ** 0.5  # keeps the scale of the signal through a ReLU
        _fill(tensor, -bound, bound, generator)


@torch.no_grad()
def _compare(network: Network, units: Mapping[str, Tensor], pictures: Tensor) -> str:
    """Compare the outputs of the network with units masked and with units removed; "" if equal. Uses the network up.

    Every BatchNorm first takes the scale of its input. Otherwise signals would grow until rounding hides them.
    """
    norms = [module for module in network.model.modules() if isinstance(module, NORMS)]
    hooks = [module.register_forward_pre_hook(_match_scale) for module in norms]
    try:
        zero_units(network, units)
        masked = network.model(pictures)
        for hook in hooks:
            hook.remove()
        small = remove_in_place(network, units).model(pictures)
    except Exception as error:
        text = " ".join(str(error).split())
        return f"it fails: {text if isinstance(error, UserError) else f'{type(error).__name__}: {text}'}"
    if not masked.isfinite().all():
        return NOT_FINITE
    same = small.shape == masked.shape and bool((small - masked).abs().max() <= TOLERANCE * masked.abs().max())
    return "" if same else DIFFERS


def _match_scale(norm: nn.Module, given: tuple[Tensor]) -> None:
    if "_scaled" in vars(norm):  # of two calls of one module, the first decides
        return
    vars(norm)["_scaled"] = True
    square = given[0].square().mean()
    if isinstance(norm, NORMS) and norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.mul_(square.sqrt())
        norm.running_var.mul_(square)


def _fill(tensor: Tensor, low: float, high: float, generator: torch.Generator) -> None:
    """Fill a tensor with random numbers; a large tensor repeats them, since drawing is slow."""
    if not tensor.numel():
        return
    numbers = torch.rand(min(tensor.numel(), PATTERN), generator=generator, dtype=torch.float64)
    numbers = (low + (high - low) * numbers).to(tensor)
    flat = tensor.view(-1) if tensor.is_contiguous() else tensor.new_empty(tensor.numel())
    whole = flat.numel() // len(numbers) * len(numbers)
    flat[:whole].view(-1, len(numbers)).copy_(numbers)
    flat[whole:].copy_(numbers[: flat.numel() - whole])
    if not tensor.is_contiguous():
        tensor.copy_(flat.view(tensor.shape))


def _draws(table: Table) -> Iterator[dict[str, Tensor]]:
    """Draw units of every group four times, never all of a group; every unit is drawn. No group, no draw.

    One draw cannot tell the removed units from each other, nor the remaining ones. Channels that are shifted by one
    could then pass the check. So every unit has a random code from 1 to 7, and draw b takes the units whose bit b is
    set. Up to seven units have different codes. The last draw leaves the fewest units that the default floor allows.
    """
    if not table.groups:
        return
    generator = torch.Generator().manual_seed(SEED)
    orders = {group.name: torch.randperm(group.units, generator=generator) for group in table.groups}
    for bit in range(DRAWS):
        yield {name: torch.nonzero((order % CODES + 1) >> bit & 1).flatten() for name, order in orders.items()}
    yield {name: order[lowest(len(order), Rule()) :].sort().values for name, order in orders.items()}


def _faulty(units: Mapping[str, Tensor], fails: Check, pictures: Tensor) -> list[str]:
    """Find by bisection the groups that fail alone, among groups that fail together."""
    names = list(units)
    if len(names) == 1:
        return names
    middle = len(names) // 2
    halves = ({name: units[name] for name in half} for half in (names[:middle], names[middle:]))
    return [name for half in halves if fails(half, pictures) for name in _faulty(half, fails, pictures)]
