"""Requests of a run, stored in the results folder, so that a report can name missing points. Torch-free."""

import re
from collections.abc import Iterator, Sequence

from prunebench.errors import UserError
from prunebench.records.names import Metric, RankingName
from prunebench.records.record import Cell
from prunebench.records.validation import Count, Frozen, Items, Name, Share

MOST_SEEDS = 100_000
_LARGEST_SEED = 999_999_999
FEWEST_SEEDS = 6
"""Fewest seeds that can give a verdict: the smallest p of n seeds, 2**(1 - n), is at most 0.05 from 6 on."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds: one seed, a list, or ranges that include both ends.

    >>> parse_seeds("0-4"), parse_seeds("0,3,7"), parse_seeds("5")
    ((0, 1, 2, 3, 4), (0, 3, 7), (5,))
    """
    seeds: list[int] = []
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,30})\s*(?:-\s*(\d{1,30})\s*)?", item, re.ASCII)
        if match is None:
            raise UserError(f"--seeds {shown}: '{item}' is not a whole number from 0 or a range; write 0-4 or 0,3,7")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low:
            raise UserError(f"--seeds {shown}: the range {low}-{high} is empty; write {high}-{low}")
        if high > _LARGEST_SEED:
            raise UserError(f"--seeds {shown}: the seed {high} is more than {_LARGEST_SEED}; give smaller seeds")
        if len(seeds) + high - low >= MOST_SEEDS:  # counted before they are listed
            raise UserError(f"--seeds {shown}: more than {MOST_SEEDS} seeds; give fewer")
        seeds += range(low, high + 1)
    if len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds {shown}: a seed is given twice; give each seed once")
    return tuple(seeds)


def describe_seeds(seeds: Sequence[int]) -> str:
    """Say how many seeds a run has, and whether they are too few for a verdict.

    >>> describe_seeds(range(10)), describe_seeds((0, 1, 2))
    ('10 seeds', '3 seeds: no verdict, which takes 6 or more')
    >>> describe_seeds((5,))
    '1 seed, the one numbered 5 (--seeds 0-4 gives 5 of them): no verdict, which takes 6 or more'
    """
    text = f"{len(seeds)} seed{'s' * (len(seeds) != 1)}"
    if len(seeds) == 1 and seeds[0] > 0:
        text += f", the one numbered {seeds[0]} (--seeds 0-{seeds[0] - 1} gives {seeds[0]} of them)"
    return text if len(seeds) >= FEWEST_SEEDS else f"{text}: no verdict, which takes {FEWEST_SEEDS} or more"


class RequestedTrajectories(Frozen):
    """One criterion on one task: a trajectory for each seed."""

    dataset: Name
    model: Name
    criterion: Name
    seeds: Items[Count]


class Requested(Frozen):
    """Trajectories that one command requested, each at all keeps."""

    ranking: RankingName
    metric: Metric
    keeps: Items[Share]
    trajectories: Items[RequestedTrajectories]

    @property
    def size(self) -> int:
        """Number of the requested cells."""
        return len(self.keeps) * sum(len(one.seeds) for one in self.trajectories)

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
