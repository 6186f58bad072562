"""Estimates the seconds of stages from training steps timed now, and from finished stages."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from prunebench.errors import DamagedFileError
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import select
from prunebench.records.stage import read_stage_facts
from prunebench.study.grid import Grid, find_device
from prunebench.study.stages import Stage
from prunebench.study.store import Store
from prunebench.study.task import Task
from prunebench.training.train import TrainingSettings, make_optimiser, train

log = logging.getLogger("prunebench")

_BATCHES = 10
_HARMLESS = 1e-6  # a rate: steps take as long at any, but training from fresh weights might diverge at the full one
_ENOUGH = 0.15  # seconds of timed training; the last try takes at most some four times as long
_LONG = 0.3  # seconds of a first batch that suffice
_IDLE = 0.8  # share of a core that a process has on an idle machine, with room for what an operating system does
_MANY = 2**63  # pictures, more than any batch


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
    clock, dense = _Clock(ready, device), ready.fresh(0, device)
    seconds, count = clock.enough(dense)
    each = clock.per_picture(dense, seconds, count)
    if keep.fraction == 1 or keep.metric == "weights":  # dense kernels take as long for zeros
        return Pace(each, each, 1.0)
    noise = {name: torch.rand(units) for name, units in dense.units.items()}
    selection = select(noise, dense, ready.costs, keep, ready.rule)
    small = remove(dense, selection.remove)
    least = clock.per_picture(small, clock.warm(small, count), count)
    clock.warn_if_busy()
    return Pace(each, least, selection.keep["macs"])


@dataclass
class _Clock:
    """Times the training of a task's networks. seconds: timed in all; worked: those in which this process computed."""

    ready: Task
    device: torch.device
    seconds: float = 0.0
    worked: float = 0.0

    def __call__(self, network: Network, count: int) -> float:
        """Give the seconds that a network trains on some pictures."""
        data, plan = self.ready.some_data(count, self.device), self._plan(count)
        start, worked = time.perf_counter(), time.process_time()
        train(network, data, plan)
        seconds = time.perf_counter() - start
        self.seconds, self.worked = self.seconds + seconds, self.worked + time.process_time() - worked
        return seconds

    def warn_if_busy(self) -> None:
        """Warn where other processes took much of the time, which the estimate then holds."""
        share = self.worked / self.seconds if self.seconds else 1.0
        if self.device.type == "cpu" and share < _IDLE:
            what = f"the timed steps had {100 * share:.0f} % of a core"
            log.warning("the machine is busy: %s; on an idle machine the run takes less than estimated", what)

    def batch(self, count: int) -> int:
        """Give the size of the batches that some pictures are trained in."""
        return min(self.ready.protocol.batch or 2, count)

    def enough(self, network: Network) -> tuple[float, int]:
        """Train on more and more pictures, ten batches at most, until it takes a while: (seconds, pictures)."""
        count, most = 2, min(len(self.ready.loaded.train), _BATCHES * self.batch(_MANY))
        while (seconds := self.warm(network, count)) < _ENOUGH and count < most:
            count = min(4 * count, 2 + int(count * _ENOUGH / seconds), most)
        return seconds, count

    def warm(self, network: Network, count: int) -> float:
        """Give the seconds that a network trains on some pictures, without what is slow in a first pass.

        A first batch that takes long is one to count: what comes once is a small part of it.
        """
        first = self(network, self.batch(count))
        return first if first >= _LONG and self.batch(count) == count else self(network, count)

    def per_picture(self, network: Network, seconds: float, count: int) -> float:
        """Give the seconds for a picture in batches of full size.

        A few pictures are one short batch: the optimiser's step takes as long as after a full one, and longer as it is
        the first.
        """
        if count >= self.batch(_MANY):
            return seconds / count
        first, later = self._optimiser_steps(network)
        return max(seconds - first, 0.0) / count + later / self.batch(_MANY)

    def _optimiser_steps(self, network: Network) -> tuple[float, float]:
        """Give the seconds of the first and of the second step of a new optimiser, on the gradients left behind."""
        optimiser, moments = make_optimiser(network.model, self._plan(2)), [time.perf_counter()]
        for _ in range(2):
            optimiser.step()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            moments.append(time.perf_counter())
        return moments[1] - moments[0], moments[2] - moments[1]

    def _plan(self, count: int) -> TrainingSettings:
        protocol, decay = self.ready.protocol, self.ready.protocol.weight_decay or 0.0
        return TrainingSettings("estimate", 1, _HARMLESS, self.batch(count), decay, 0, optimiser=protocol.optimiser)
