"""Check that a model is pruned exactly, and write the table of models with the parts that may be pruned."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import shorten

import torch
from tabulate import tabulate
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.pruning.analysis import analyse
from prunebench.pruning.copies import twin
from prunebench.pruning.cost import CostModel, costs, count
from prunebench.pruning.network import Group, Network, Table, why_kept
from prunebench.pruning.operations import macs_by_operation, runnable
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Rule, lowest, select
from prunebench.pruning.suitability import check_suitable
from prunebench.pruning.tracing import trace
from prunebench.pruning.verification import difference, randomised
from prunebench.records.budget import Keep
from prunebench.study.networks import load_into, save
from prunebench.training.memory_format import working_format

Build = Callable[[int, int, int], nn.Module]
KEEPS = (0.5, 0.25)
SIZES = (32, 64, 96, 224)
LITTLE = 0.5  # a remark says so if the floors leave more of the MACs than this
REASONS = 2  # why layers keep their units, in a remark
REMARK = 48  # characters in a line of remarks on a terminal
HEADER = ("model", "passes", "picture", "groups", "units", "coupled", "parameters", "MACs", "lowest MACs", "remarks")


def check_model(model: nn.Module, example: Tensor, classes: int | None = None, name: str = "model") -> list[str]:
    """Check that a network is pruned exactly. Returns the problems, one line each; empty if there are none.

    A copy with random weights in float64 is cut to half and a quarter of its MACs, or as far as floors allow. Removal
    must equal masking to 1e-11. The computed cost must equal the network's and the count of torch's flop counter. A
    saved network must load again, and frozen layers must change nothing. The model is left as it was.

    Args:
        model: any network.
        example: pictures of the right size (batch, channels, height, width).
        classes: number of classes that the output must have; any number if None.
        name: the model's name in messages.

    >>> check_model(nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8, 2)), torch.zeros(2, 1, 3, 3))
    []
    """
    try:
        table = analyse(model, example, name, classes=classes)
    except UserError as error:
        return [str(error)]
    return [f"{name}: {problem}" for problem in _problems(model, table, example)]


def model_table(
    models: Iterable[tuple[str, Build]],
    sizes: Sequence[int] = SIZES,
    channels: int = 3,
    classes: int = 10,
    *,
    kind: str = "github",
) -> tuple[str, set[str]]:
    """Write a table of models: whether each passes `check_model`, and which parts may be pruned.

    Also returns what stands in the second column: yes, no, refused.

    The columns are the side of the pictures in pixels; the groups and units that may be pruned; the share of units in
    coupled groups. Then come the shares of parameters and MACs in layers whose units may be pruned, and the lowest
    share of MACs within the default floor. Remarks say why a model is refused or why layers keep their units.

    Args:
        models: (label, builder) pairs; the builder takes channels, size and classes, as a `prunebench.Model` does.
        sizes: sides of square pictures; each model uses the first that it accepts.
        channels: channels of the pictures.
        classes: number of classes.
        kind: of the table, as tabulate names it: `github` is Markdown; in a `simple` one remarks are broken.
    """
    rows = [_row(label, build, sizes, channels, classes) for label, build in models]
    widths = [None] * (len(HEADER) - 1) + [REMARK] if kind == "simple" else None
    return tabulate(rows, HEADER, kind, disable_numparse=True, maxcolwidths=widths), {row[1] for row in rows}


def _problems(model: nn.Module, table: Table, example: Tensor) -> Iterator[str]:
    network = randomised(model, table, example.device)
    for keep in KEEPS:
        units = _selected(network, keep)
        differs = difference(model, table, units, example)
        small = remove(network, units)
        left, limit = count(small).macs / count(network).macs, max(keep, _least(costs(model, table), table))
        texts = [differs, "" if left <= limit * (1 + 1e-9) else f"the network has {left:.3f} of the MACs left"]
        texts += [*_miscounted(network, small, example), *_unsaved(network, small)]
        yield from (f"at keep macs={keep:g}: {text}" for text in texts if text)
    yield from _frozen(model, table, example)
    yield from _untrainable(model, example)


def _selected(network: Network, keep: float) -> dict[str, Tensor]:
    """Choose random units to remove for a keep of MACs, or for the lowest keep within the floors if that is higher."""
    cost, draws = costs(network.model, network.table), torch.Generator().manual_seed(1)
    scores = {name: torch.rand(units, generator=draws) for name, units in network.units.items()}
    budget = Keep("macs", max(keep, _least(cost, network.table)))
    return select(scores, network, cost, budget, Rule()).remove


def _least(cost: CostModel, table: Table) -> float:
    return cost.cost({group.name: lowest(group.units, Rule()) for group in table.groups}).macs / cost.dense.macs


def _miscounted(dense: Network, small: Network, example: Tensor) -> Iterator[str]:
    """Compare the computed cost with the network's tensors and with torch's count of operations."""
    computed, counted = costs(dense.model, small.table).cost(small.units), count(small)
    by_torch = sum(macs_by_operation(runnable(small.model, example), example.shape[1:]).values())
    parameters = sum(parameter.numel() for parameter in small.model.parameters())
    if not computed.macs == counted.macs == by_torch:
        yield f"the MACs differ: {computed.macs} computed, {counted.macs} counted, {by_torch} by torch's flop counter"
    if computed.params != parameters:
        yield f"the parameters differ: {computed.params} computed, {parameters} in the network"


def _unsaved(dense: Network, small: Network) -> Iterator[str]:
    """Save a network, load it into a dense network of zeros, and compare the two."""
    with tempfile.TemporaryDirectory() as folder:
        save(small, Path(folder))
        loaded = load_into(twin(dense.model, torch.zeros_like), dense.table, Path(folder)).model.state_dict()
    state = small.model.state_dict()
    if state.keys() != loaded.keys() or not all(torch.equal(state[name], loaded[name]) for name in state):
        yield "the loaded network differs from the saved one"


def _frozen(model: nn.Module, table: Table, example: Tensor) -> Iterator[str]:
    """Freeze all layers but the last; expect the same table of units, and the same frozen layers after a removal."""
    frozen = twin(model, Tensor.clone).requires_grad_(False)
    last = list(table.positions)[-1]
    frozen.get_submodule(last).requires_grad_(True)
    groups = [group for group in analyse(frozen, example, check=False).groups if group.name not in table.fixed]
    if _comparable(groups) != _comparable(table.groups):
        yield "freezing layers changes the table of units"
    small = remove(Network.dense(frozen, table), {g.name: torch.arange(g.units // 2) for g in table.groups}).model
    if any(p.requires_grad != name.startswith(f"{last}.") for name, p in small.named_parameters()):
        yield "removal changes which layers are frozen"


def _untrainable(model: nn.Module, example: Tensor) -> Iterator[str]:
    try:
        working_format(model, example)
    except UserError as error:
        yield f"it cannot be trained: {error}"


def _comparable(groups: Iterable[Group]) -> list[object]:
    return [(g.name, g.producers, [(s.layer, s.side, s.index.tolist()) for s in g.slices]) for g in groups]


def _row(label: str, build: Build, sizes: Sequence[int], channels: int, classes: int) -> list[str]:
    try:
        model, size = _first(build, sizes, channels, classes)
        example = torch.zeros(2, channels, size, size)
        table = analyse(model, example, label, classes=classes)
    except UserError as error:
        return [label, "refused", *[""] * 7, shorten(str(error).removeprefix(f"{label} cannot be pruned: "), 320)]
    except Exception as error:
        return [label, "refused", *[""] * 7, shorten(f"{type(error).__name__}: {error}", 200)]
    try:
        problems = list(_problems(model, table, example))
    except Exception as error:  # an error of one model must not stop the table
        problems = [f"the check failed: {type(error).__name__}: {' '.join(str(error).split())[:160]}"]
    kept = why_kept(table.fixed)
    if more := len(kept[REASONS:]):
        kept = [*kept[:REASONS], f"and others, for {more} more reason{'s' * (more > 1)}"]
    least = _least(costs(model, table), table)
    small = [f"only {1 - least:.1%} of the MACs can go"] if least > LITTLE else []
    return [label, "no" if problems else "yes", str(size), *_facts(model, table), "; ".join(problems + small + kept)]


def _first(build: Build, sizes: Sequence[int], channels: int, classes: int) -> tuple[nn.Module, int]:
    """Build a model for the first size of pictures that it accepts. The last size is not tried: `analyse` does it."""
    for size in sizes[:-1]:
        try:
            model = build(channels, size, classes)
            check_suitable(model)
            copy = runnable(model, torch.zeros(2, channels, size, size))
            with torch.no_grad():
                trace(copy, torch.zeros(2, channels, size, size, device=next(copy.parameters()).device))
        except UserError:
            continue
        return model, size
    return build(channels, sizes[-1], classes), sizes[-1]


def _facts(model: nn.Module, table: Table) -> list[str]:
    cost, units = costs(model, table), sum(group.units for group in table.groups)
    layers = {name: model.get_submodule(name) for group in table.groups for name in group.producers}
    params = sum(parameter.numel() for layer in layers.values() for parameter in layer.parameters())
    macs = sum(table.positions[name] * layer.get_parameter("weight").numel() for name, layer in layers.items())
    shares = (
        sum(group.units for group in table.groups if table.coupled(group)) / units,
        params / cost.dense.params,
        macs / cost.dense.macs,
        _least(cost, table),
    )
    return [str(len(table.groups)), str(units), *(f"{100 * share:.1f} %" for share in shares)]
