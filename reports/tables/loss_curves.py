"""Training losses per epoch, means over seeds, as a tidy table."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from prunebench.records.record import Epoch, Record
from prunebench.reports.ordering import SCRATCH
from prunebench.reports.points import POINT_COLUMNS, Point
from prunebench.reports.results import Results

COLUMNS = [*POINT_COLUMNS, "step", "stage", "epoch", "n", "loss", "loss_half", "validation"]
Steps = tuple[tuple[str, int], ...]


def loss_curves_table(results: Results) -> pd.DataFrame:
    """One row per point and epoch, from the first epoch of dense training to the last one of fine-tuning.

    step: number of the epoch, counted over all stages from 1; `scratch:X` begins with its own training. stage, epoch:
    as in the record. loss: mean training loss in nats over the n seeds, without a regulariser's term. loss_half: half
    of its 95 % t interval, missing where n = 1. validation: mean accuracy on the validation pictures, which runs
    measure after the last epoch of a stage. Where seeds went through other stages, the most common ones count.
    """
    parts = [
        part for point, seeds in results.points.items() if (part := _curve(point, list(seeds.values()))) is not None
    ]
    return pd.DataFrame({name: [*chain.from_iterable(part[name] for part in parts)] for name in COLUMNS})


def _curve(point: Point, records: Sequence[Record]) -> dict[str, Sequence[Any]] | None:
    """Give the columns of one point."""
    epochs = [_own(point, record) for record in records]
    steps: list[Steps] = [tuple((one.stage, one.epoch) for one in curve) for curve in epochs]
    common = Counter(steps).most_common(1)[0][0]
    if not common:
        return None
    same = [curve for curve, its in zip(epochs, steps, strict=True) if its == common]
    losses = np.array([[one.loss for one in curve] for curve in same])
    found = np.array([[np.nan if one.validation is None else one.validation for one in curve] for curve in same])
    whole = {**point._asdict(), "n": len(same)}
    return {
        **{name: [value] * len(common) for name, value in whole.items()},
        "step": range(1, len(common) + 1),
        "stage": [stage for stage, _ in common],
        "epoch": [epoch for _, epoch in common],
        "loss": _means(losses).tolist(),
        "loss_half": _halves(losses).tolist(),
        "validation": _means(found).tolist(),
    }


def _own(point: Point, record: Record) -> tuple[Epoch, ...]:
    """Give the epochs that led to a network: one trained from fresh weights owes nothing to the dense network."""
    if point.criterion.partition(":")[0] != SCRATCH:
        return record.curves
    return tuple(one for one in record.curves if one.stage.partition(" ")[0] == SCRATCH)


def _means(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # a record may hold any loss
        means: np.ndarray = values.sum(axis=0) / len(values)
    return means


def _halves(values: np.ndarray) -> np.ndarray:
    """Half of the 95 % t interval of each column's mean; missing with one row. values: (n, epochs)."""
    n = len(values)
    if n < 2:
        return np.full(values.shape[1], np.nan)
    with np.errstate(all="ignore"):
        halves: np.ndarray = special.stdtrit(n - 1, 0.975) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return halves
