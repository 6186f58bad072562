"""Check that removing units equals setting them to zero, on a copy of the network with random weights in float64."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from textwrap import shorten

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.pruning.copies import skeleton, twin
from prunebench.pruning.kinds import KINDS, NORMS, channel_axis, own_tensors
from prunebench.pruning.layers import DepthwiseInFloat64
from prunebench.pruning.network import Network, Table
from prunebench.pruning.removal import remove_in_place, reorder, zero_units
from prunebench.pruning.selection import Rule, lowest
from prunebench.pruning.tracing import unsteady

Steps = Sequence[Mapping[str, Tensor]]  # units to remove one after the other, by group
Check = Callable[[Steps], str]  # what goes wrong

SEED = 2020
CHOICES = 5
LARGE = 1_000_000  # parameters above which one choice of units is enough, as it is slow
TOLERANCE = 1e-11
SIDE = 64
DIFFERS = "its output differs from that with these units set to zero, or from that with all units in another order"
NOT_FINITE = "its output is not finite with random parameters"
MIXED = "an operation that mixes units or cannot be followed"
ERROR = "it fails: "
FAILS = "a forward pass that fails when its units are changed, as one that states their number: "
IN_DOUBLE = "for .float(), write .to(x.dtype); for a lambda or a global name that holds a layer, write a method; "
IN_DOUBLE += "for a list of layers, nn.ModuleList"
TRAINING = "what reads it in training alone"
PATTERN = 65_537  # numbers drawn for a large weight; prime, so that no two rows of the weight are equal


@dataclass(frozen=True)
class _Found:
    """What a comparison found.

    problem: "" if there is none. steps: the units to remove. outputs: of the whole network, and masked, by step.
    seed: of the random numbers. matters: whether the output depends on the units; else nothing was compared. alive:
    whether the last output depends on the pictures; else the last removal was not compared.
    """

    problem: str
    steps: Steps
    outputs: Sequence[Tensor] = ()
    seed: int = SEED

    @property
    def matters(self) -> bool:
        whole, *masked = self.outputs
        return not all(torch.equal(whole, one) for one in masked)

    @property
    def alive(self) -> bool:
        last = self.outputs[-1]
        return len(last) < 2 or not torch.equal(last[0], last[1])


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
        UserError: the network cannot be compared, its output does not depend on its units, or groups fail only
            together.
    """
    if not table.groups:
        return table
    for shape in _shapes(pictures):
        found = _compared(model, table, shape, pictures.device)
        if not found.problem and found.matters:
            break
    if found.problem:
        fails = partial(_differs, model, table, pictures, seed=found.seed)
        if problem := fails([{}]):
            cure = f"; {IN_DOUBLE}" if "double" in problem.lower() else ""
            what = _unsteady(model, table, pictures) if problem == DIFFERS else problem + cure
            raise UserError(f"it cannot be checked in float64: {what}")
        return verify(model, _without_faulty(table, found, fails, reason), pictures, reason)
    if not found.matters:
        raise UserError("it cannot be checked: with random parameters its output does not depend on its units")
    stops = partial(_fails_in_training, model, table, pictures)
    if stops(found.steps) and not stops([{}]):
        return verify(model, _without_faulty(table, found, stops, TRAINING), pictures, reason)
    return table


def _compared(model: nn.Module, table: Table, shape: Sequence[int], device: torch.device) -> _Found:
    """Compare with several choices of units. A large network is compared until one of them leaves a signal."""
    large = sum(parameter.numel() for parameter in model.parameters()) > LARGE
    for seed in range(SEED, SEED + CHOICES):
        found = _tried(model, table, _steps(table, seed), shape, device, seed=seed)
        if found.problem or (found.alive and large):
            break
    return found


def _unsteady(model: nn.Module, table: Table, pictures: Tensor) -> str:
    """Say in which module two passes differ, and what to do."""
    noise = torch.randn(pictures.shape, dtype=torch.float64)
    copy = randomised(model, table, noise.device).model
    name = unsteady(copy, noise)
    where = f" in '{name}' ({type(copy.get_submodule(name)).__name__})" if name else ""
    return f"two passes in eval mode differ{where}; give dropout training=self.training, draw no noise, keep no state"


def _without_faulty(table: Table, found: _Found, fails: Check, reason: str) -> Table:
    """Move the groups that fail alone to `Table.fixed`. An error of the forward pass is the reason where there is one.

    found: all groups fail together.
    """
    faulty = dict(_faulty(found.steps, fails, found.problem))
    if not faulty:
        raise UserError("removing units of several layers together does not equal setting these units to zero")
    why = {name: _why(text, reason) for name, text in faulty.items()}
    fixed = {layer: text for name, text in why.items() for layer in table.group(name).producers}
    groups = tuple(group for group in table.groups if group.name not in faulty)
    return replace(table, groups=groups, fixed={**table.fixed, **fixed})


def _why(problem: str, reason: str) -> str:
    """Give the reason why a group keeps its units: the error of its forward pass, where it ran in eval mode."""
    if reason == TRAINING or not problem.startswith(ERROR):
        return reason
    return FAILS + shorten(problem.removeprefix(ERROR), 160, placeholder=" ...")


def _fails_in_training(model: nn.Module, table: Table, pictures: Tensor, steps: Steps) -> str:
    """Say what happens when units are removed and the network runs in training mode; "" if it runs."""
    small = remove_in_place(Network.dense(skeleton(model), table), _all(steps)).model.train()
    try:
        small(torch.empty(max(2, len(pictures)), *pictures.shape[1:], device="meta"))
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


def difference(model: nn.Module, table: Table, units: Mapping[str, Tensor], pictures: Tensor) -> str:
    """Say what goes wrong when units are removed from a randomised copy of a network; "" if nothing does.

    The order of the units must not matter, either. Small pictures (one or two, at most 64 pixels a side) are tried
    first. The given size is tried only if they fail.

    Args:
        model: a dense network.
        table: of its units.
        units: by group, (any,).
        pictures: (batch, channels, height, width), for their shape and device.
    """
    return _differs(model, table, pictures, [units])


def _differs(model: nn.Module, table: Table, pictures: Tensor, steps: Steps, *, seed: int = SEED) -> str:
    for shape in _shapes(pictures):
        problem = _tried(model, table, steps, shape, pictures.device, seed=seed).problem
        if not problem:
            break
    return problem


def _tried(
    model: nn.Module, table: Table, steps: Steps, shape: Sequence[int], device: torch.device, *, seed: int
) -> _Found:
    device = torch.device("cpu") if device.type == "mps" else device  # MPS has no float64
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(device)
    found = _compare(randomised(model, table, device, seed=seed), steps, noise)
    if found.problem == NOT_FINITE:
        found = _compare(randomised(model, table, device, every=False, seed=seed), steps, noise)
    return replace(found, seed=seed)


def _shapes(pictures: Tensor) -> list[tuple[int, ...]]:
    """Return the shapes to try: one or two small pictures, then those of the given size."""
    batch, channels, *size = pictures.shape
    small = (min(batch, 2), channels, *(min(side, SIDE) for side in size))
    return list(dict.fromkeys((small, (min(batch, 2), channels, *size))))


@torch.no_grad()
def randomised(model: nn.Module, table: Table, device: torch.device, every: bool = True, seed: int = SEED) -> Network:
    """Copy a network to a device in float64, with random parameters: a fresh one may hide a branch behind a zero.

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
            return torch.empty_like(tensor, dtype=torch.float64, device=device)
        return tensor.to(device, torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)

    copy = twin(model, change).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
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
def _compare(network: Network, steps: Steps, pictures: Tensor) -> _Found:
    """Compare the network with its units in another order; then with units masked and removed, step by step.

    Removal alone cannot tell the removed units from each other, nor the remaining ones. So first every unit of these
    groups moves to the next place. A table with all units shifted would pass; it fails where random units are removed.
    Uses the network up.
    """
    try:
        with _in_scale(network.model):
            outputs = [_output(network, pictures)]
        reorder(network, {group: torch.arange(len(network.kept[group])).roll(1) for group in steps[0]})
        problem = _problem(outputs[0], _output(network, pictures))
        for units in steps:
            if problem:
                break
            zero_units(network, units)
            with _in_scale(network.model):
                outputs.append(_output(network, pictures))
            network = remove_in_place(network, units)
            problem = _problem(outputs[-1], _output(network, pictures))
    except _PassError as error:
        problem = f"{ERROR}{error}"
    except Exception:  # positions that the layers do not have
        problem = DIFFERS
    return _Found(problem, steps, outputs if not problem else ())


def _problem(wanted: Tensor, found: Tensor) -> str:
    """Say how an output differs from the wanted one; "" if it does not."""
    if not wanted.isfinite().all():
        return NOT_FINITE
    same = found.shape == wanted.shape and bool((found - wanted).abs().max() <= TOLERANCE * wanted.abs().max())
    return "" if same else DIFFERS


class _PassError(Exception):
    """A forward pass failed."""


def _output(network: Network, pictures: Tensor) -> Tensor:
    try:
        with DepthwiseInFloat64():
            output: Tensor = network.model(pictures)
    except Exception as error:
        text = " ".join(str(error).split())
        kind = "" if isinstance(error, UserError) else type(error).__name__
        raise _PassError(": ".join(filter(None, (kind, text)))) from error
    return output


@contextmanager
def _in_scale(model: nn.Module) -> Iterator[None]:
    """Draw the statistics of every BatchNorm anew, in the scale of its input in the coming pass.

    Otherwise signals would grow until rounding hides them. Of two calls of one module, the first decides.
    """
    norms = {id(module): number for number, module in enumerate(model.modules()) if isinstance(module, NORMS)}

    def match(norm: nn.Module, given: tuple[Tensor]) -> None:
        number = norms.pop(id(norm), None)
        if number is None or not isinstance(norm, NORMS) or norm.running_mean is None or norm.running_var is None:
            return
        generator, square = torch.Generator().manual_seed(SEED + number), given[0].square().mean()
        drawn = torch.rand(2, len(norm.running_mean), generator=generator, dtype=torch.float64).to(square)
        norm.running_mean.copy_((drawn[0] - 0.5) * square.sqrt())
        norm.running_var.copy_((drawn[1] + 0.5) * square)

    hooks = [norm.register_forward_pre_hook(match) for norm in model.modules() if isinstance(norm, NORMS)]
    yield
    for hook in hooks:
        hook.remove()


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


def _steps(table: Table, seed: int) -> Steps:
    """Choose random units of every group to remove: about half; then until the fewest are left by the default floor.

    The widths differ between groups and choices, since a forward pass may look at them.
    """
    draws, steps = torch.Generator().manual_seed(seed), (dict[str, Tensor](), dict[str, Tensor]())
    for number, group in enumerate(table.groups, seed):
        order, least = torch.randperm(group.units, generator=draws), lowest(group.units, Rule())
        half = max(group.units // 2 + number % 4 - 1, least)
        steps[0][group.name], steps[1][group.name] = order[half:], order[least:half]
    return steps


def _all(steps: Steps) -> dict[str, Tensor]:
    """Join the units of all steps, by group."""
    return {group: torch.cat([step[group] for step in steps]) for group in steps[0]}


def _faulty(steps: Steps, fails: Check, problem: str) -> Iterator[tuple[str, str]]:
    """Find by bisection the groups that fail alone, among groups that fail together, each with its problem."""
    names = list(steps[0])
    if len(names) == 1:
        yield names[0], problem
        return
    middle = len(names) // 2
    for half in (names[:middle], names[middle:]):
        part = [{name: step[name] for name in half} for step in steps]
        if problem := fails(part):
            yield from _faulty(part, fails, problem)
