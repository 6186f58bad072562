"""Requests of a run, stored in the results folder, so that a report can name missing points. Torch-free."""

from collections.abc import Iterator

from prunebench.records.names import Metric, RankingName
from prunebench.records.record import Cell
from prunebench.records.validation import Count, Frozen, Name, Share


class RequestedTrajectories(Frozen):
    """One criterion on one task: a trajectory for each seed."""

    dataset: Name
    model: Name
    criterion: Name
    seeds: tuple[Count, ...]


class Requested(Frozen):
    """Trajectories that one command requested, each at all keeps."""

    ranking: RankingName
    metric: Metric
    keeps: tuple[Share, ...]
    trajectories: tuple[RequestedTrajectories, ...]

    def cells(self) -> Iterator[Cell]:
        """Yield every requested cell.

        >>> of_one = RequestedTrajectories(dataset="digits", model="lenet5", criterion="taylor", seeds=(0, 1))
        >>> asked = Requested(ranking="local", metric="macs", keeps=(0.5, 0.25), trajectories=(of_one,))
        >>> [(cell.criterion, cell.seed, cell.keep) for cell in asked.cells()]
        [('taylor', 0, 0.5), ('taylor', 0, 0.25), ('taylor', 1, 0.5), ('taylor', 1, 0.25)]
        """
        for one in self.trajectories:
            names = {"dataset": one.dataset, "model": one.model, "criterion": one.criterion}
            for seed in one.seeds:
                for keep in self.keeps:
                    yield Cell(**names, seed=seed, metric=self.metric, keep=keep, ranking=self.ranking)
