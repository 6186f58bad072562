"""Keeps the analysis of a network in the results folder, for worker processes and later runs.

These files only spare time. Where one is missing, damaged or of another network, the network is analysed again.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import ConfigDict, Field, StringConstraints, model_validator
from torch import Tensor, nn

from prunebench import pruning
from prunebench.errors import UserError
from prunebench.pruning.copies import twin
from prunebench.pruning.cost import costs
from prunebench.pruning.kinds import own_tensors
from prunebench.pruning.network import Group, Place, Polynomial, Side, Slice, Table
from prunebench.pruning.shapes import shape
from prunebench.pruning.suitability import ALONE, eagerly
from prunebench.records.files import StoreFile, read_file
from prunebench.records.packed import Packed
from prunebench.records.record import SCHEMA
from prunebench.records.validation import Count, Frozen, Items, Positive, Text
from prunebench.study.stages import packages
from prunebench.study.store import ANALYSES, Store, key_of
from prunebench.training import memory_format

MOST = 20_000_000  # units, and positions, of one network
Ratio = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,40}(/[1-9][0-9]{0,39})?$")]
Format = Literal["channels_last", "contiguous_format"]


@dataclass(frozen=True, eq=False)
class Analysis:
    """What is found out of a network before any training.

    table: of its units. memory_format: in which it runs. fault: why it cannot be trained, "" if it can. An analysis
    with a fault is not kept, as the cause may pass. graph: see `graph_of`. key: under which it is kept; "" where it was
    read.
    """

    table: Table
    memory_format: torch.memory_format
    fault: str = ""
    graph: str = ""
    key: str = ""


class _Slice(Frozen):
    """A slice. places: positions of each unit; the positions themselves stand in the file's `index`."""

    layer: Text
    side: Side
    places: Positive


class _Group(Frozen):
    name: Text
    units: Positive
    producers: Items[Text]
    slices: Annotated[Items[_Slice], Field(min_length=1)]

    @property
    def entries(self) -> int:
        """Number of positions."""
        return self.units * sum(one.places for one in self.slices)


class AnalysisFile(StoreFile):
    """One file of `analyses/`. index: the positions of all slices, one after another. check: `digest` of the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: Items[_Group]
    index: Packed
    positions: dict[Text, Count]
    norm: dict[Text, Text]
    tail: dict[Text, Text]
    joined: dict[Text, tuple[Text, Count, Side]]
    depthwise: dict[Text, Text]
    fixed: dict[Text, Text]
    constant: Ratio
    linear: dict[Text, Ratio]
    squares: Items[tuple[Text, Text, Ratio]]
    memory_format: Format
    check: Text = ""

    @model_validator(mode="after")
    def _check(self) -> "AnalysisFile":
        entries = sum(group.entries for group in self.groups)
        if entries > MOST:
            raise ValueError(f"groups have {entries} positions, more than {MOST}")
        try:
            self.index.unpack(entries)
        except ValueError as error:
            raise ValueError(f"index {error}") from None
        return self

    @classmethod
    def of(cls, analysis: Analysis) -> "AnalysisFile":
        """Describe an analysis."""
        table, macs = analysis.table, analysis.table.macs
        parts = [part for group in table.groups for part in group.slices]
        flat = np.concatenate([part.index.flatten().numpy() for part in parts] or [np.zeros(0, np.int64)])
        return cls(
            schema_version=SCHEMA,
            groups=tuple(map(_described, table.groups)),
            index=Packed.pack(flat, "int64"),
            positions=dict(table.positions),
            norm=dict(table.norm),
            tail=dict(table.tail),
            joined={name: (place.module, place.call, place.side) for name, place in table.joined.items()},
            depthwise=dict(table.depthwise),
            fixed=dict(table.fixed),
            constant=str(macs.constant),
            linear={name: str(value) for name, value in macs.linear.items()},
            squares=tuple((one, other, str(value)) for (one, other), value in macs.squares.items()),
            memory_format="channels_last" if analysis.memory_format == torch.channels_last else "contiguous_format",
        )

    def analysis(self) -> Analysis:
        """Give the analysis."""
        macs = Polynomial(
            Fraction(self.constant),
            {name: Fraction(value) for name, value in self.linear.items()},
            {(one, other): Fraction(value) for one, other, value in self.squares},
        )
        table = Table(
            groups=tuple(self._groups()),
            positions=self.positions,
            norm=self.norm,
            tail=self.tail,
            joined={name: Place(*place) for name, place in self.joined.items()},
            depthwise=self.depthwise,
            fixed=self.fixed,
            macs=macs,
        )
        return Analysis(table, getattr(torch, self.memory_format))

    def digest(self, key: str) -> str:
        """Hash the key and all but `check`."""
        return key_of(key, self.model_dump(mode="json", exclude={"check"}))

    def _groups(self) -> Iterable[Group]:
        flat = torch.tensor(self.index.unpack(sum(group.entries for group in self.groups)))
        start = 0
        for group in self.groups:
            slices = []
            for one in group.slices:
                end = start + group.units * one.places
                slices.append(Slice(one.layer, one.side, flat[start:end].view(group.units, one.places)))
                start = end
            yield Group(group.name, group.units, group.producers, tuple(slices))


def _described(group: Group) -> _Group:
    slices = tuple(_Slice(layer=one.layer, side=one.side, places=one.index.shape[1]) for one in group.slices)
    return _Group(name=group.name, units=group.units, producers=group.producers, slices=slices)


def graph_of(network: nn.Module, pictures: Tensor) -> str:
    """Hash what a network computes: its modules, and the operations of a forward pass, as autograd notes them.

    So a network that is built in another way, as by a file that its code reads, has another hash. The numbers of the
    weights do not count. Returns "" where the forward pass fails.

    pictures: (batch, channels, height, width), on the network's device.
    """
    try:
        copy = twin(network, Tensor.clone)
        with ALONE, torch.enable_grad(), eagerly():
            output = copy(pictures.detach().clone().requires_grad_().clone())
        operations = list(_operations(output.grad_fn, {id(one): name for name, one in copy.named_parameters()}))
    except Exception:
        return ""
    return key_of("", {"modules": _modules(network), "operations": operations})


def _modules(network: nn.Module) -> list[Any]:
    """List the modules with their types, the settings of torch's own, and the shapes of their tensors."""
    return [
        [
            name,
            type(module).__qualname__,
            module.extra_repr() if type(module).__module__.startswith("torch.") else "",
            {key: list(tensor.shape) for key, tensor in own_tensors(module).items()},
        ]
        for name, module in network.named_modules()
    ]


def _operations(end: Any, names: Mapping[int, str]) -> Iterator[list[Any]]:
    """List the operations that lead to a tensor: name, parameter, shape, settings, and what each reads.

    An input is the number of the operation that made it, and its place among that one's outputs. names: of parameters,
    by id.
    """
    numbers, stack = {end: 0}, [end]
    while stack:
        node = stack.pop()
        for read, _ in node.next_functions:
            if read is not None and read not in numbers:
                numbers[read] = len(numbers)
                stack.append(read)
        inputs = [(numbers.get(read), place) for read, place in node.next_functions]
        parameter = names.get(id(getattr(node, "variable", None)), "")
        yield [node.name(), parameter, list(shape(node)), list(_settings(node)), inputs]


def _settings(node: Any) -> Iterator[Any]:
    """Give the numbers, texts and indices that an operation keeps, such as a stride, an axis or a slope.

    Places of maxima, which depend on the weights, are left out.
    """
    for name in _saved(node.__class__):
        try:
            value = getattr(node, name)
        except RuntimeError:  # a tensor that was written since
            continue
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, int | str | None):
                yield name, one
            elif isinstance(one, float):
                yield name, f"{one:.6g}"  # one that is computed may differ in its last digits elsewhere
            elif isinstance(one, Tensor) and (name == "_saved_index" or isinstance(value, tuple)) and _is_whole(one):
                yield name, hashlib.sha256(one.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def _is_whole(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() and not tensor.is_complex()


@cache
def _saved(kind: Any) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_saved_"))


def analysis_key(facts: Mapping[str, Any], graph: str) -> str:
    """Give the key of an analysis: a hash of all that decides it; "" for a network without a graph.

    facts: of model and pictures, as JSON values. graph: see `graph_of`.
    """
    return key_of("", {**facts, "graph": graph, "packages": packages(), "code": _code()}) if graph else ""


@cache
def _code() -> str:
    """Hash the code that analyses, and that writes these files."""
    files = *sorted(Path(pruning.__path__[0]).glob("*.py")), Path(memory_format.__file__), Path(__file__)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def kept_analysis(folder: Path, key: str, network: nn.Module) -> Analysis | None:
    """Read the kept analysis of a network; None where there is none that can be used."""
    with suppress(Exception):  # of whatever a file may hold
        path = folder / ANALYSES / f"{key}.json"
        file = read_file(AnalysisFile, path) if key and path.is_file() else None
        if file is not None and file.check == file.digest(key):
            found = file.analysis()
            costs(network, found.table)
            return found
    return None


def keep_analysis(store: Store, key: str, analysis: Analysis) -> None:
    """Write an analysis. Does nothing where that fails: the file only spares time."""
    with suppress(UserError, OSError, ValueError):
        file = AnalysisFile.of(analysis)
        file = file.model_copy(update={"check": file.digest(key)})
        store.write_json(store.folder / ANALYSES / f"{key}.json", file.model_dump(mode="json"))
