"""One cut of one network: score the units, select, remove."""

from dataclasses import replace

import torch

from prunebench.data.splits import BlockData
from prunebench.errors import CellError, UserError
from prunebench.plugins.expressions import Method
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Budget, Ranking, random_like, select
from prunebench.records.names import Metric
from prunebench.seeding import generator
from prunebench.study.stages import Stage
from prunebench.study.structure import Structure, counts
from prunebench.study.task import Task


def cut(
    task: Task, data: BlockData, method: Method, parent: Network, stage: Stage, metric: Metric, seed: int
) -> tuple[Network, list[str]]:
    """Cut a network to a stage's keep by a method's scores; gives it with the groups that stand at their floor.

    Units go, or single weights where the keep is one of weights. `dense_continued` has no score and is not cut. Raises
    `CellError` where the budget cannot be met.
    """
    if method.score is None:
        return remove(parent, {}), []
    protocol, structure = task.protocol, task.structure(metric)
    draws = generator(seed, "score", stage.label)
    batches = data.calibration.batches(protocol.calibration_batch)
    scores = structure.score(method.score, parent, batches, draws)
    ranking = method.score.published if protocol.ranking == "published" else Ranking(protocol.ranking)
    selected = replace(structure.rule, ranking=ranking)
    try:
        selection = select(scores, structure.pool(parent), structure.costs, Budget(metric, stage.keep), selected)
    except UserError as error:
        way = f", at {stage.label} on the way down" if stage.kind == "rung" else ""
        raise CellError(f"{error}{way}") from None
    return structure.remove(parent, selection.remove), list(selection.floors)


def cut_like(structure: Structure, parent: Network, model: Network, seed: int, stage: Stage) -> Network:
    """Cut a network to another's widths, by units drawn at random within each group (or weights within each layer)."""
    draws: torch.Generator = generator(seed, "shuffle", stage.label)
    return structure.remove(parent, random_like(counts(structure.pool(model)), structure.pool(parent), draws))
