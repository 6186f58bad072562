"""Estimates the seconds of stages from training steps timed now, and from finished stages."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from prunebench.data.splits import BlockData
from prunebench.errors import DamagedFileError
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import select
from prunebench.records.stage import read_stage_facts
from prunebench.study.grid import Grid, find_device
from prunebench.study.stages import Stage
from prunebench.study.store import Store
from prunebench.study.task import Task
from prunebench.training.train import TrainingSettings, train

log = logging.getLogger("prunebench")

_BATCHES = 10
_HARMLESS = 1e-6  # a rate: steps take as long at any, but training from fresh weights might diverge at the full one
_ENOUGH = 0.4  # seconds of timed training; the last try takes at most some four times as long


@dataclass(frozen=True)
class Pace:
    """Seconds per trained picture of the dense and the smallest network. keep: share of MACs of the smallest.

    correction: actual seconds over estimated seconds of the `finished` stages.
    """

    dense: float
    smallest: float
    keep: float
    correction: float = 1.0
    finished: int = 0

    def __call__(self, keep: float) -> float:
        """Interpolate the seconds per picture of a network that keeps this share of the MACs."""
        share = (keep - self.keep) / (1 - self.keep) if self.keep < 1 else 1.0
        return self.correction * (self.smallest + share * (self.dense - self.smallest))

    def corrected(self, stages: Iterable[Stage], store: Store, work: Callable[[Stage], float]) -> "Pace":
        """Correct the pace by the seconds of finished stages. work: a stage's work in trained pictures."""
        pairs = []
        for stage in stages:
            with suppress(DamagedFileError):  # a run computes such a stage anew
                seconds = read_stage_facts(store.stage(stage.key)).seconds
                pairs.append((seconds, work(stage) * self(stage.keep)))
        actual, estimated = (sum(column) for column in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
        if not actual or not estimated:
            return self
        return replace(self, correction=actual / estimated, finished=len(pairs))


def measure(grid: Grid, ready: Task) -> Pace:
    """Time a few training steps of a task's dense network and of one pruned to the grid's smallest keep."""
    log.info("timing training steps of %s x %s for the estimate", ready.dataset_label, ready.model.label)
    device, keep = find_device(grid.spec.device), grid.spec.keep.keeps[-1]
    data, dense = ready.data(0, device), ready.fresh(0, device)
    if keep.fraction == 1 or keep.metric == "weights":  # dense kernels take as long for zeros
        each, _ = _timed(dense, ready, data)
        return Pace(each, each, 1.0)
    noise = {name: torch.rand(units) for name, units in dense.units.items()}
    selection = select(noise, dense, ready.costs, keep, ready.rule)
    small = remove(dense, selection.remove)
    each, count = _timed(dense, ready, data)
    _seconds(small, ready, data, 2)
    return Pace(each, _seconds(small, ready, data, count) / count, selection.keep["macs"])


def _timed(network: Network, ready: Task, data: BlockData) -> tuple[float, int]:
    """Train on more and more pictures, ten batches at most, until it takes a while.

    Returns the seconds per picture, and the number of pictures that were enough. The first try warms up.
    """
    most = min(len(data.train), _BATCHES * (ready.protocol.batch or 1))
    count = 2
    _seconds(network, ready, data, count)
    while (seconds := _seconds(network, ready, data, count)) < _ENOUGH and count < most:
        count = min(4 * count, 2 + int(count * _ENOUGH / seconds), most)
    return seconds / count, count


def _seconds(network: Network, ready: Task, data: BlockData, count: int) -> float:
    protocol = ready.protocol
    few = replace(data.train, pictures=data.train.pictures[torch.arange(count)])
    one = replace(data.validation, pictures=data.validation.pictures[torch.arange(1)])
    batch = min(protocol.batch or 1, count)
    decay = protocol.weight_decay or 0.0
    plan = TrainingSettings("estimate", 1, _HARMLESS, batch, decay, 0, optimiser=protocol.optimiser)
    start = time.perf_counter()
    train(network, replace(data, train=few, validation=one), plan)
    return time.perf_counter() - start
