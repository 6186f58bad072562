"""What decides the final accuracy: shares of its variance, and the spread of criteria under every other choice."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunebench.reports.analysis.crossed import Design
from prunebench.reports.statistics.intervals import t_interval
from prunebench.reports.statistics.variance import Decomposition, decompose_variance

HIGHER, SEED, RESIDUAL = "higher", "seed", "residual"
TIMES = " x "  # between two factors that act together
PLACE = ["task", "metric", "keep"]
SHARES = [*PLACE, "source", "levels", "n", "share", "low", "high", "beyond_noise"]
CHOICES = [*PLACE, "choices", "n", "accuracy", "accuracy_half", "best", "spread", "spread_half", "over_random"]


def decomposition_table(designs: Sequence[Design]) -> pd.DataFrame:
    """One row per design and source of variance: factors, pairs, all higher interactions, the seeds, the residual.

    share: of the sum of squared deviations, a fraction. low, high: its extremes when any one seed is left out; missing
    with fewer than three seeds. beyond_noise: the share less what a source that does nothing has on average, at least
    0. levels: how many levels the factor has. n: seeds.
    """
    return pd.DataFrame([row for design in designs for row in _share_rows(design)], columns=SHARES)


def choices_table(designs: Sequence[Design]) -> pd.DataFrame:
    """One row per design and combination of the other choices, such as `repair = none, finetune_epochs = 0`.

    accuracy: mean over criteria and seeds, with half of the interval over seeds. best: the criterion with the highest
    mean. spread: how far the mean of the best criterion lies above the mean of the worst one. spread_half: half of
    the interval, over seeds, of the difference between these two criteria; the two were chosen by looking, so that it
    is no test. over_random: mean over criteria less that of `random`, where `random` was run.
    """
    return pd.DataFrame([row for design in designs for row in _choice_rows(design)], columns=CHOICES)


def _place(design: Design) -> dict[str, Any]:
    return {"task": design.task, "metric": design.metric, "keep": design.keep}


def _share_rows(design: Design) -> Iterator[dict[str, Any]]:
    whole = decompose_variance(design.values)
    if whole is None:
        return
    n = len(design.seeds)
    left_out = [decompose_variance(np.delete(design.values, seed, -1)) for seed in range(n)] if n > 2 else []
    without = [_shares(one, design) for one in left_out if one is not None]
    levels = dict(zip(design.factors, map(len, design.levels), strict=True))
    for source, (share, beyond) in _shares(whole, design).items():
        others = [one[source][0] for one in without] or [np.nan]
        row = {"source": source, "levels": levels.get(source), "n": n, "share": share, "beyond_noise": beyond}
        yield _place(design) | row | {"low": min(others), "high": max(others)}


def _shares(found: Decomposition, design: Design) -> dict[str, tuple[float, float]]:
    """Give the share of each source, and the share that noise does not explain."""
    shares: dict[str, tuple[float, float]] = {}
    for source in found.sources:
        name = _source(tuple(design.factors[axis] for axis in source.axes))
        share, beyond = shares.get(name, (0.0, 0.0))
        more = max(0.0, source.squares - source.noise)
        shares[name] = share + source.squares / found.total, beyond + more / found.total
    return shares | {RESIDUAL: (found.residual / found.total, np.nan)}


def _source(factors: tuple[str, ...]) -> str:
    """Name what acts: nothing but the seeds, a factor, a pair, or more.

    >>> _source(("criterion", "repair")), _source(())
    ('criterion x repair', 'seed')
    """
    return SEED if not factors else TIMES.join(factors) if len(factors) < 3 else HIGHER


def _choice_rows(design: Design) -> Iterator[dict[str, Any]]:
    names, levels = design.factors[1:], design.levels[1:]
    for place, where in enumerate(np.ndindex(*map(len, levels))):
        here = design.values.reshape(len(design.levels[0]), -1, len(design.seeds))[:, place]  # (criteria, seeds)
        interval, means = t_interval(here.mean(axis=0)), here.mean(axis=1)
        best, worst = int(means.argmax()), int(means.argmin())
        spread = t_interval(here[best] - here[worst])
        chosen = [f"{name} = {level[at]}" for name, level, at in zip(names, levels, where, strict=True)]
        row = {"choices": "; ".join(chosen), "n": len(design.seeds), "best": design.levels[0][best]}
        row |= {"accuracy": interval.mean, "accuracy_half": interval.half}
        row |= {"spread": spread.mean, "spread_half": spread.half, "over_random": _over_random(design, where, here)}
        yield _place(design) | row


def _over_random(design: Design, where: tuple[int, ...], here: NDArray[np.float64]) -> float:
    return float(np.nan if design.random is None else here.mean() - design.random[where].mean())
