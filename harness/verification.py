"""Shows that removing units equals setting them to zero, on a copy of the network with random weights in float64."""

from collections.abc import Callable, Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.network import Group, Network, Table
from prunebench.removal import mask, remove
from prunebench.tracing import KINDS, NORMS

SEED = 2020
TOLERANCE = 1e-11
SIDE = 64
PATTERN = 65_537  # numbers drawn for a large weight; a prime, so that no two rows of it are alike


def verify(model: nn.Module, table: Table, pictures: Tensor) -> None:
    """Remove a random third of every group and compare with the mask, on a randomised copy in float64.

    pictures: (batch, channels, height, width), for their shape and device. Raises `UserError` if the outputs differ.
    """
    generator = torch.Generator().manual_seed(SEED)
    third = {group.name: torch.randperm(group.units, generator=generator)[: _third(group)] for group in table.groups}
    if not difference(model, table, third, pictures):
        return
    for name, units in third.items():
        found = difference(model, table, {name: units}, pictures)
        if found:
            raise UserError(f"without some units of layer '{name}' {found}")
    raise UserError("removing units of several layers does not equal setting them to zero")


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


def _third(group: Group) -> int:
    return min(max(group.units // 3, 1), group.units - 1)
