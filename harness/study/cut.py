"""One cut of one network: score the units, select, remove."""

from dataclasses import dataclass, replace

from prunebench.data.splits import BlockData
from prunebench.errors import CellError, UserError
from prunebench.plugins.expressions import Method
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Ranking, random_like, select
from prunebench.records.budget import Keep
from prunebench.records.names import Metric
from prunebench.seeding import generator
from prunebench.study.stages import Stage
from prunebench.study.structure import Structure, unit_counts
from prunebench.study.task import Task


@dataclass(frozen=True, eq=False)
class Cutter:
    """Cuts the networks of one trajectory. structure: what is removed, whole units or single weights."""

    task: Task
    structure: Structure
    metric: Metric
    seed: int

    def by_scores(
        self, parent: Network, method: Method, data: BlockData, stage: Stage
    ) -> tuple[Network, tuple[str, ...]]:
        """Cut a network to a stage's keep by a method's scores; gives also the groups that stand at their floor.

        `dense_continued` has no score, its network is copied. Raises `CellError` where the budget cannot be met.
        """
        if method.score is None:
            return remove(parent, {}), ()
        protocol, structure = self.task.protocol, self.structure
        batches = data.calibration.batches(protocol.calibration_batch)
        scores = structure.score(method.score, parent, batches, generator(self.seed, "score", stage.label))
        ranking = method.score.published if protocol.ranking == "published" else Ranking(protocol.ranking)
        rule = replace(structure.rule, ranking=ranking)
        try:
            selection = select(scores, structure.pool(parent), structure.costs, Keep(self.metric, stage.keep), rule)
        except UserError as error:
            where = f", at {stage.label} on the way down" if stage.kind == "rung" else ""
            raise CellError(f"{error}{where}") from None
        return structure.remove(parent, selection.remove), selection.floors

    def to_widths_of(self, other: Network, parent: Network, stage: Stage) -> Network:
        """Cut a network to another's widths, by units drawn at random in each group (or weights in each layer)."""
        structure = self.structure
        counts, pool = unit_counts(structure.pool(other)), structure.pool(parent)
        return structure.remove(parent, random_like(counts, pool, generator(self.seed, "shuffle", stage.label)))
