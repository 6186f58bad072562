"""Whose network counts for every stage, so that no trajectory mixes networks of several folders. Torch-free."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunebench.errors import UserError
from prunebench.records.stage import FACTS
from prunebench.records.store_files import WEIGHTS, read_json


class Lineage:
    """Chooses a folder for every stage: the first whose network was made from networks that count themselves.

    holders: folders that have a stage, by the stage's key. chosen: the folder whose network counts, None where no
    folder's does.

    Two folders can hold other networks under one key, as kernels of CPUs round otherwise. Then all that follows from
    the second network would belong to no stored network.
    """

    def __init__(self, holders: Mapping[str, Sequence[Path]]) -> None:
        self.holders = holders
        facts = {(folder, key): _facts(folder / "stages" / key) for key, some in holders.items() for folder in some}
        self._parents = {place: _parents(one) for place, one in facts.items()}
        self._digests = {place: _digest(place[0] / "stages" / place[1], one) for place, one in facts.items()}
        self.chosen: dict[str, Path | None] = {}
        for key in holders:
            self._choose(key)

    def follows(self, folder: Path, key: str) -> bool:
        """Tell whether a folder's network of a stage is the one that counts; true where the folder does not have it."""
        if folder not in self.holders.get(key, ()):
            return True
        counting = self._choose(key)
        return counting is not None and self._same(folder, counting, key)

    def unlike(self) -> dict[str, list[Path]]:
        """Return the stages with several networks, with the folders that hold one."""
        known = {key: [f for f in some if self._digests[f, key]] for key, some in self.holders.items()}
        return {key: some for key, some in known.items() if len({self._digests[f, key] for f in some}) > 1}

    def _choose(self, key: str) -> Path | None:
        if key not in self.chosen:
            self.chosen[key] = None  # until known: a stage that follows from itself counts nowhere
            usable = [f for f in self.holders[key] if all(self.follows(f, p) for p in self._parents[f, key])]
            same = [folder for folder in usable if self._same(folder, usable[0], key)]
            trained = [folder for folder in same if (folder / "stages" / key / WEIGHTS).exists()]
            self.chosen[key] = next(iter(trained or same), None)
        return self.chosen[key]

    def _same(self, one: Path, other: Path, key: str) -> bool:
        first, second = self._digests[one, key], self._digests[other, key]
        return not first or not second or first == second


def _facts(stage: Path) -> dict[str, Any]:
    try:
        return read_json(stage / FACTS)
    except UserError:  # a damaged stage is the matter of the run that reads it
        return {}


def _parents(facts: Mapping[str, Any]) -> list[str]:
    parents = facts.get("parents", [])
    return [parent for parent in parents if isinstance(parent, str)] if isinstance(parents, list) else []


def _digest(stage: Path, facts: Mapping[str, Any]) -> str:
    """Return what tells networks of a stage apart; empty where nothing is known of the network."""
    stated, file = facts.get("digest"), stage / WEIGHTS
    if stated and isinstance(stated, str):
        return stated
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
