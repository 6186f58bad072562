"""Shows that removing units equals setting them to zero, on a copy of the network with random weights in float64."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.pruning.network import Network, Table
from prunebench.pruning.removal import mask, remove
from prunebench.pruning.tracing import KINDS, NORMS

SEED = 2020
DRAWS = 3
TOLERANCE = 1e-11
SIDE = 64
MIXED = "an operation that mixes them or cannot be followed"
PATTERN = 65_537  # numbers drawn for a large weight; a prime, so that no two rows of it are alike


def verify(model: nn.Module, table: Table, pictures: Tensor) -> Table:
    """Remove units of every group and compare with the mask, on randomised copies in float64.

    Gives the table with the groups that fail by themselves moved to `Table.fixed`.

    Args:
        model: a dense network.
        table: of its units; every group has two or more.
        pictures: (batch, channels, height, width), for their shape and device.

    Raises:
        UserError: the network cannot be compared, or the groups fail together only.
    """
    for units in _draws(table) if table.groups else ():
        if not difference(model, table, units, pictures):
            continue
        if difference(model, table, {}, pictures):
            raise UserError("it cannot be checked: in float64 it fails or gives another output in each forward pass")
        faulty = _faulty(model, table, units, pictures)
        if not faulty:
            raise UserError("removing units of several layers does not equal setting them to zero")
        fixed = {layer: MIXED for name in faulty for layer in table.group(name).producers}
        groups = tuple(group for group in table.groups if group.name not in faulty)
        return verify(model, replace(table, groups=groups, fixed={**table.fixed, **fixed}), pictures)
    return table


def difference(model: nn.Module, table: Table, units: Mapping[str, Tensor], pictures: Tensor) -> str:
    """Say what goes wrong when units are removed from a randomised copy of a network; nothing if all is well.

    One or two pictures of at most 64 pixels a side are tried first: larger ones show the same and cost much.

    Args:
        model: a dense network.
        table: of its units.
        units: by group, (any,).
        pictures: (batch, channels, height, width), for their shape and device.
    """
    batch, channels, *size = pictures.shape
    shapes = [(min(batch, 2), channels, *(min(side, SIDE) for side in size)), (min(batch, 2), channels, *size)]
    # MPS has no float64
    device = torch.device("cpu") if pictures.device.type == "mps" else pictures.device
    for shape in dict.fromkeys(shapes):
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
        found = _compare(randomised(model, table, device), units, noise.to(device))
        if not found:
            break
    return found


@torch.no_grad()
def twin(model: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    """Copy a network in eval mode with changed tensors in place of its own, which are not copied.

    change: makes a new tensor of a parameter or buffer; parameters of the copy are trainable.
    """
    memo: dict[int, object] = {id(tensor): change(tensor) for tensor in model.buffers()}
    memo |= {id(tensor): nn.Parameter(change(tensor)) for tensor in model.parameters()}
    return deepcopy(model, memo).eval()


def skeleton(model: nn.Module) -> nn.Module:
    """Copy a network without its numbers, onto the meta device: a forward pass computes shapes alone."""
    bare = twin(model, lambda tensor: torch.empty_like(tensor, device="meta"))
    for module in bare.modules():
        if isinstance(module, NORMS):  # whose shapes are simple and whose own steps are slow there
            module.forward = torch.clone  # type: ignore[method-assign]
    return bare


@torch.no_grad()
def randomised(model: nn.Module, table: Table, device: torch.device) -> Network:
    """Copy a network into float64, give every layer weights that matter: a fresh one may hide a branch behind a zero.

    device: of the copy.
    """
    layers = [module for module in model.modules() if isinstance(module, KINDS)]
    filled = {id(tensor) for layer in layers for tensor in layer.state_dict(keep_vars=True).values()}

    def change(tensor: Tensor) -> Tensor:
        if id(tensor) in filled and tensor.is_floating_point():
            return torch.empty_like(tensor, dtype=torch.float64, device=device)
        return tensor.to(device, torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)

    copy = twin(model, change).requires_grad_(False)
    generator = torch.Generator().manual_seed(SEED)
    for module in copy.modules():
        for name, tensor in module.state_dict().items() if isinstance(module, KINDS) else ():
            if name in ("bias", "running_mean"):
                _fill(tensor, -0.5, 0.5, generator)
            elif tensor.ndim > 1:
                bound = (6 / tensor[0].numel()) ** 0.5  # keeps the size of the signal through a ReLU
                _fill(tensor, -bound, bound, generator)
            elif tensor.is_floating_point():
                _fill(tensor, 0.5, 1.5, generator)
    return Network.dense(copy, table)


@torch.no_grad()
def _compare(network: Network, units: Mapping[str, Tensor], pictures: Tensor) -> str:
    """Compare masked and removed; masks the network.

    Every BatchNorm is given the scale of what it reads, or signals grow until rounding is all that is left of them.
    """
    hooks = [m.register_forward_pre_hook(_scale) for m in network.model.modules() if isinstance(m, NORMS)]
    try:
        mask(network, units)
        masked = network.model(pictures)
        for hook in hooks:
            hook.remove()
        small = remove(network, units).model(pictures)
    except Exception as error:
        text = " ".join(str(error).split())
        return f"it fails: {text if isinstance(error, UserError) else f'{type(error).__name__}: {text}'}"
    same = small.shape == masked.shape and bool((small - masked).abs().max() <= TOLERANCE * masked.abs().max())
    return "" if same else "its output is not what it is with them set to zero"


def _scale(norm: nn.Module, given: tuple[Tensor]) -> None:
    square = given[0].square().mean()
    if isinstance(norm, NORMS) and norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.mul_(square.sqrt())
        norm.running_var.mul_(square)


def _fill(tensor: Tensor, low: float, high: float, generator: torch.Generator) -> None:
    """Fill with random numbers; a large tensor repeats them, for drawing is slow."""
    numbers = torch.rand(min(tensor.numel(), PATTERN), generator=generator, dtype=torch.float64)
    numbers = (low + (high - low) * numbers).to(tensor)
    flat = tensor.view(-1) if tensor.is_contiguous() else torch.empty_like(tensor).view(-1)
    whole = flat.numel() // len(numbers) * len(numbers)
    flat[:whole].view(-1, len(numbers)).copy_(numbers)
    flat[whole:].copy_(numbers[: flat.numel() - whole])
    if not tensor.is_contiguous():
        tensor.copy_(flat.view(tensor.shape))


def _draws(table: Table) -> Iterator[dict[str, Tensor]]:
    """Draw units of every group three times, never all.

    One draw does not tell units that it takes from each other, nor those that it leaves: shifted channels whose first
    are removed look right. So units have random codes 1 to 7 and 0, and a draw takes those with one bit of theirs set:
    no two of up to eight units are alike.
    """
    generator = torch.Generator().manual_seed(SEED)
    codes = {g.name: (torch.randperm(g.units, generator=generator) + 1) % 2**DRAWS for g in table.groups}
    for bit in range(DRAWS):
        yield {name: torch.nonzero(code >> bit & 1).flatten() for name, code in codes.items()}


def _faulty(model: nn.Module, table: Table, units: Mapping[str, Tensor], pictures: Tensor) -> list[str]:
    """Find by halves the groups that fail by themselves, among groups that fail together."""
    names = list(units)
    if len(names) == 1:
        return names
    middle = len(names) // 2
    halves = ({name: units[name] for name in half} for half in (names[:middle], names[middle:]))
    return [
        name
        for half in halves
        if difference(model, table, half, pictures)
        for name in _faulty(model, table, half, pictures)
    ]
