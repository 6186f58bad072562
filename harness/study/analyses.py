"""Keeps the analysis of a network in the results folder, for worker processes and later runs.

Nothing depends on these files: where one is missing or damaged, the network is analysed again.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import ConfigDict, Field, StringConstraints, model_validator
from torch import nn

from prunebench import pruning
from prunebench.pruning.cost import costs
from prunebench.pruning.kinds import own_tensors
from prunebench.pruning.network import Group, Place, Polynomial, Side, Slice, Table
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

    table: of its units. memory_format: in which it runs. fault: why it cannot be trained, "" if it can.
    """

    table: Table
    memory_format: torch.memory_format
    fault: str = ""


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
    """One file of `analyses/`. index: the positions of all slices, one after another."""

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
    fault: Text

    @model_validator(mode="after")
    def _check(self) -> "AnalysisFile":
        entries = sum(group.entries for group in self.groups)
        if entries > MOST:
            raise ValueError(f"groups have {entries} positions, more than {MOST}")
        try:
            positions = self.index.unpack(entries)
        except ValueError as error:
            raise ValueError(f"index {error}") from None
        if (positions < 0).any():
            raise ValueError("index holds a negative number")
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
            fault=analysis.fault,
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
        return Analysis(table, getattr(torch, self.memory_format), self.fault)

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


def analysis_key(identity: Any, network: nn.Module, shape: Iterable[int], classes: int) -> str:
    """Give the key of an analysis: a hash of all that decides it.

    identity: of the model, as JSON values. shape: (channels, height, width).
    """
    facts = {"model": identity, "modules": _modules(network), "shape": list(shape), "classes": classes}
    return key_of("", facts | {"packages": packages(), "code": _code()})


def _modules(network: nn.Module) -> list[Any]:
    """List the modules with their types and the shapes of their tensors."""
    return [
        [name, type(module).__qualname__, {key: list(tensor.shape) for key, tensor in own_tensors(module).items()}]
        for name, module in network.named_modules()
    ]


@cache
def _code() -> str:
    """Hash the code that analyses."""
    files = sorted(Path(pruning.__path__[0]).glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in (*files, Path(memory_format.__file__)))).hexdigest()


def kept_analysis(folder: Path, key: str, network: nn.Module) -> Analysis | None:
    """Read the kept analysis of a network; None where there is none, or one that does not fit."""
    path = folder / ANALYSES / f"{key}.json"
    if not path.is_file():
        return None
    with suppress(Exception):  # of whatever a file may hold
        found = read_file(AnalysisFile, path).analysis()
        costs(network, found.table)
        return found
    return None


def keep_analyses(store: Store, found: Mapping[str, Analysis]) -> None:
    """Write the analyses that are not there yet, by key."""
    for key, analysis in found.items():
        path = store.folder / ANALYSES / f"{key}.json"
        if store.stored(path, partial(read_file, AnalysisFile), "it is made again") is None:
            store.write_json(path, AnalysisFile.of(analysis).model_dump(mode="json"))
