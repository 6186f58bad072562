"""Cuts a network once: scores the units, selects, removes."""

from dataclasses import dataclass, replace

from prunebench.data.splits import BlockData
from prunebench.errors import CellError, UserError
from prunebench.plugins.expressions import Method
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Ranking, random_like, select
from prunebench.records.budget import Keep
from prunebench.records.names import Metric
from prunebench.records.protocol import Protocol
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
        protocol, structure = self.protocol, self.structure
        batches = data.calibration.batches(protocol.calibration_batch)
        scores = structure.score(method.score, parent, batches, generator(self.seed, "score", stage.label))
        ranking = method.score.published if protocol.ranking == "published" else Ranking(protocol.ranking)
        rule = replace(structure.rule, ranking=ranking)
        try:
            selection = select(scores, structure.pool(parent), structure.costs, Keep(self.metric, stage.keep), rule)
        except UserError as error:
            where = f"{stage.label} of the ladder: " if stage.kind == "rung" else ""
            raise CellError(f"{where}{error}") from None
        return structure.remove(parent, selection.remove), selection.floors

    def to_widths_of(self, other: Network, parent: Network, stage: Stage) -> Network:
        """Cut `parent` to the widths of `other`: random units of each group, or random weights of each layer."""
        structure = self.structure
        counts, pool = unit_counts(structure.pool(other)), structure.pool(parent)
        return structure.remove(parent, random_like(counts, pool, generator(self.seed, "shuffle", stage.label)))
