"""Cuts a network once: scores the units, selects, removes, and states how sure the choice was."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from prunebench.data.splits import BlockData
from prunebench.errors import CellError, UserError
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.expressions import Method
from prunebench.pruning.certainty import Scored, selection_facts
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Ranking, Rule, Selection, random_like, select
from prunebench.records.budget import Keep
from prunebench.records.names import RANDOM, Metric
from prunebench.records.protocol import Protocol
from prunebench.records.selection import SelectionFacts
from prunebench.records.sparse import ChoiceChange
from prunebench.scoring.layers import Batches
from prunebench.seeding import generator
from prunebench.study.stages import Stage
from prunebench.study.structure import Structure, unit_counts


class Cut(NamedTuple):
    """A network after a cut. floors: groups at their floor. facts: how sure the choice was; None for controls.

    seconds: spent on scoring, selection and removal, without a second scoring.
    """

    network: Network
    floors: tuple[str, ...]
    facts: SelectionFacts | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Cutter:
    """Cuts the networks of one trajectory. structure: what is removed, whole units or single weights."""

    protocol: Protocol
    structure: Structure
    metric: Metric
    seed: int

    def by_scores(self, parent: Network, method: Method, data: BlockData, stage: Stage) -> Cut:
        """Cut a network to a stage's keep by a method's scores.

        A method without a score (`dense_continued`) gives a copy. A score that draws random numbers is computed once
        more, with other draws, to see how sure the choice was. The first scores choose. Trials leave that out.

        Raises `CellError` where the keep is out of reach.
        """
        start, score = time.perf_counter(), method.score
        if score is None:
            return Cut(remove(parent, {}), (), None, time.perf_counter() - start)
        batches = data.calibration.batches(self.protocol.calibration_batch)
        draws = generator(self.seed, "score", stage.label)
        unused = draws.get_state()
        first = self.scored(score, parent, batches, stage, draws)
        network = self.structure.remove(parent, first.selection.remove)
        cut = Cut(network, first.selection.floors, None, time.perf_counter() - start)
        if score.name == RANDOM:
            return cut
        second = None
        if not stage.trial and not torch.equal(draws.get_state(), unused):
            with suppress(CellError):  # other draws may give scores that a ranking refuses
                second = self.scored(score, parent, batches, stage, generator(self.seed, "score again", stage.label))
        return cut._replace(facts=selection_facts(first, self.structure.pool(parent), self._rule(score), second))

    def choose(self, parent: Network, method: Method, data: BlockData, stage: Stage) -> Selection:
        """Choose the units to remove by a method's scores. Raises `CellError` where the keep is out of reach."""
        assert method.score is not None
        batches = data.calibration.batches(self.protocol.calibration_batch)
        draws = generator(self.seed, "score", stage.label)
        return self.scored(method.score, parent, batches, stage, draws).selection

    def to_widths_of(self, other: Network, parent: Network, stage: Stage) -> Network:
        """Cut `parent` to the widths of `other`: random units of each group, or random weights of each layer."""
        structure = self.structure
        counts, pool = unit_counts(structure.pool(other)), structure.pool(parent)
        return structure.remove(parent, random_like(counts, pool, generator(self.seed, "shuffle", stage.label)))

    def _rule(self, score: AnyCriterion) -> Rule:
        asked = self.protocol
        ranking = score.published if asked.ranking == "published" else Ranking(asked.ranking, asked.normalise_scores)
        return self.structure.ruled(ranking)

    def scored(
        self, score: AnyCriterion, network: Network, batches: Batches, stage: Stage, draws: torch.Generator
    ) -> Scored:
        """Score a network's units and select those to remove. Equal scores go by lot, by seed and stage."""
        structure, keep = self.structure, Keep(self.metric, stage.keep)
        scores = structure.score(score, network, batches, draws)
        lot = partial(generator, self.seed, "ties", stage.label)
        try:
            selection = select(scores, structure.pool(network), structure.costs, keep, self._rule(score), lot=lot)
        except UserError as error:
            where = f"{stage.label} of the ladder: " if stage.kind == "rung" else ""
            raise CellError(f"{where}{error}") from None
        return Scored(scores, selection)


def choice_change(
    ours: Mapping[str, Tensor], plain: Mapping[str, Tensor], units: Mapping[str, int]
) -> ChoiceChange | None:
    """Compare two choices of units to remove, by group; None where nothing is removed.

    units: of the dense network, by group.

    >>> ours, plain = {"a": torch.tensor([0, 1])}, {"a": torch.tensor([1, 2])}
    >>> choice_change(ours, plain, {"a": 4})
    ChoiceChange(overlap=0.5, by_chance=0.5)
    """
    removed = sum(map(len, ours.values()))
    both = sum(int(torch.isin(gone, plain[group]).sum()) for group, gone in ours.items() if group in plain)
    chance = sum(len(gone) * len(plain[group]) / units[group] for group, gone in ours.items() if group in plain)
    return ChoiceChange(overlap=both / removed, by_chance=chance / removed) if removed else None
