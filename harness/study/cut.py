"""Cuts a network once: scores the units, selects, removes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prunebench.data.splits import BlockData
from prunebench.errors import CellError, UserError
from prunebench.plugins.expressions import Method
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Ranking, Selection, random_like, select
from prunebench.records.budget import Keep
from prunebench.records.names import Metric
from prunebench.records.protocol import Protocol
from prunebench.records.sparse import ChoiceChange
from prunebench.seeding import generator
from prunebench.study.stages import Stage
from prunebench.study.structure import Structure, unit_counts


@dataclass(frozen=True, eq=False)
class Cutter:
    """Cuts the networks of one trajectory. structure: what is removed, whole units or single weights."""

    protocol: Protocol
    structure: Structure
    metric: Metric
    seed: int

    def by_scores(
        self, parent: Network, method: Method, data: BlockData, stage: Stage
    ) -> tuple[Network, tuple[str, ...]]:
        """Cut a network to a stage's keep by a method's scores. Returns the network and the groups at their floor.

        A method without a score (`dense_continued`) gives a copy. Raises `CellError` where the keep is out of reach.
        """
        if method.score is None:
            return remove(parent, {}), ()
        selection = self.choose(parent, method, data, stage)
        return self.structure.remove(parent, selection.remove), selection.floors

    def choose(self, parent: Network, method: Method, data: BlockData, stage: Stage) -> Selection:
        """Choose the units to remove by a method's scores. Raises `CellError` where the keep is out of reach."""
        assert method.score is not None
        protocol, structure = self.protocol, self.structure
        batches = data.calibration.batches(protocol.calibration_batch)
        scores = structure.score(method.score, parent, batches, generator(self.seed, "score", stage.label))
        ranking = method.score.published if protocol.ranking == "published" else Ranking(protocol.ranking)
        rule = replace(structure.rule, ranking=ranking)
        try:
            return select(scores, structure.pool(parent), structure.costs, Keep(self.metric, stage.keep), rule)
        except UserError as error:
            where = f"{stage.label} of the ladder: " if stage.kind == "rung" else ""
            raise CellError(f"{where}{error}") from None

    def to_widths_of(self, other: Network, parent: Network, stage: Stage) -> Network:
        """Cut `parent` to the widths of `other`: random units of each group, or random weights of each layer."""
        structure = self.structure
        counts, pool = unit_counts(structure.pool(other)), structure.pool(parent)
        return structure.remove(parent, random_like(counts, pool, generator(self.seed, "shuffle", stage.label)))


def choice_change(ours: Mapping[str, Tensor], plain: Mapping[str, Tensor], units: Mapping[str, int]) -> ChoiceChange:
    """Compare two choices of units to remove, by group. units: of the dense network, by group.

    >>> ours, plain = {"a": torch.tensor([0, 1])}, {"a": torch.tensor([1, 2])}
    >>> choice_change(ours, plain, {"a": 4})
    ChoiceChange(overlap=0.5, by_chance=0.5)
    """
    removed = sum(map(len, ours.values()))
    both = sum(int(torch.isin(gone, plain[group]).sum()) for group, gone in ours.items() if group in plain)
    chance = sum(len(gone) * len(plain[group]) / units[group] for group, gone in ours.items() if group in plain)
    return (
        ChoiceChange(overlap=both / removed, by_chance=chance / removed)
        if removed
        else ChoiceChange(overlap=1, by_chance=1)
    )
