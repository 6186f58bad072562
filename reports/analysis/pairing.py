"""Comparison of two methods over the seeds that both have."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunebench.records.packed import right_by_record
from prunebench.reports.points import Point, RecordBySeed, distinct_seeds, finetuned_accuracy
from prunebench.reports.results import Results
from prunebench.reports.statistics.effect_size import hedges_g, probability_of_superiority
from prunebench.reports.statistics.intervals import bca_interval, t_interval
from prunebench.reports.statistics.permutation import sign_flip
from prunebench.reports.statistics.seeds_and_pictures import crossed_interval
from prunebench.reports.statistics.t_test_power import sd_interval

BCA_FROM = 30  # seeds; with fewer the interval covers too little, see docs/explanation/statistics.md


def shared_seeds(ours: RecordBySeed, reference: RecordBySeed) -> list[int]:
    """Seeds that both have. Only one, if the seeds of both sides repeat one computation (`points.distinct_seeds`)."""
    both = [seed for seed in ours if seed in reference]
    sides = ({seed: side[seed] for seed in both} for side in (ours, reference))
    return both[:1] if all(len(distinct_seeds(side)) < len(both) for side in sides) else both


def differences_by_seed(ours: RecordBySeed, reference: RecordBySeed) -> dict[int, float]:
    """Give ours - reference, of the fine-tuned accuracy, for every shared seed."""
    return _differences(ours, reference, shared_seeds(ours, reference))


def paired_differences(ours: RecordBySeed, reference: RecordBySeed) -> NDArray[np.float64]:
    """Give ours - reference, of the fine-tuned accuracy, for every shared seed: (n,)."""
    return np.array(list(differences_by_seed(ours, reference).values()))


def compare(results: Results, ours: Point, reference: Point) -> dict[str, Any]:
    """Compare two points of one task, as `compare_points`; each pair is computed once."""
    pair, found = (ours, reference), results.points
    if pair not in results.compared:
        results.compared[pair] = compare_points(found[ours], found[reference], ours.metric)
    return results.compared[pair]


def compare_points(ours: RecordBySeed, reference: RecordBySeed, metric: str) -> dict[str, Any]:
    """Compare the fine-tuned accuracies of two points over their shared seeds: the columns of one row.

    n: pairs; where n is 0 there is no other column. keep_gap: mean achieved keep, ours minus the reference's.
    crossed_low, crossed_high, pictures_share: the interval over seeds and test pictures, where records have them.
    For the other columns see `describe_differences`.
    """
    pairs = shared_seeds(ours, reference)
    if not pairs:
        return {"n": 0}
    row = describe_differences(np.array([*_differences(ours, reference, pairs).values()]))
    pictures = _by_picture(ours, reference, pairs)
    if pictures is not None:
        crossed = crossed_interval(pictures)
        row |= {"crossed_low": crossed.low, "crossed_high": crossed.high, "pictures_share": crossed.pictures_share}
    gaps = [ours[seed].keep[metric] - reference[seed].keep[metric] for seed in pairs]
    return row | {"keep_gap": float(np.mean(gaps))}


def describe_differences(d: NDArray[np.float64]) -> dict[str, Any]:
    """Describe and test paired differences, (n,) with n >= 1, fractions: the columns of one row.

    difference, low, high: mean with its 95 % t interval. bca_low, bca_high: from 30 seeds on, an interval that does
    not assume normality. ties: pairs without a difference. sd, sd_low, sd_high: standard deviation with its 95 %
    chi-square interval. p, smallest_p: exact sign-flip test of this
    contrast alone. g: Hedges' g. superiority, _low, _high: probability that
    ours is better in another block.
    """
    interval, better = t_interval(d), probability_of_superiority(d)
    row: dict[str, Any] = {"n": len(d), "difference": interval.mean, "low": interval.low, "high": interval.high}
    row |= {"ties": int(np.count_nonzero(d == 0))}
    if len(d) > 1:
        test, spread = sign_flip(d), sd_interval(d)
        row |= {"p": test.p, "smallest_p": test.smallest, "g": hedges_g(d)}
        row |= {"sd": spread.mean, "sd_low": spread.low, "sd_high": spread.high}
    if len(d) >= BCA_FROM:
        bca = bca_interval(d, draws=2_000)
        row |= {"bca_low": bca.low, "bca_high": bca.high}
    return row | {"superiority": better.mean, "superiority_low": better.low, "superiority_high": better.high}


def _differences(ours: RecordBySeed, reference: RecordBySeed, pairs: list[int]) -> dict[int, float]:
    return {seed: finetuned_accuracy(ours[seed]) - finetuned_accuracy(reference[seed]) for seed in pairs}


def _by_picture(ours: RecordBySeed, reference: RecordBySeed, pairs: list[int]) -> NDArray[np.int8] | None:
    """Differences of 'classified right', (seeds, pictures). None where a record has no test pictures."""
    one, other = ([side[seed].per_image for seed in pairs] for side in (ours, reference))
    mine, theirs = ([pictures for pictures in side if pictures] for side in (one, other))
    if len(mine) < len(pairs) or len(theirs) < len(pairs):
        return None
    return right_by_record(mine) - right_by_record(theirs)
