"""Times points against their dense networks, and stores the latencies apart from the records."""

import logging
import re
from collections.abc import Collection, Sequence
from functools import cached_property, partial

import torch
from torch import nn

from prunebench.blocks.finding import Block
from prunebench.blocks.removing import without_blocks
from prunebench.pruning.network import Group, Network
from prunebench.pruning.removal import remove
from prunebench.records.files import TimingFile, read_file
from prunebench.records.latency import ENOUGH_OF_CORE, Latency
from prunebench.records.names import Backend
from prunebench.records.record import SCHEMA, Record
from prunebench.seeding import generator
from prunebench.study import environment
from prunebench.study.grid import Grid, Job, find_device, method_of, prepare_task
from prunebench.study.store import Store
from prunebench.timing.backends import EXPORTED, check_backend, runner
from prunebench.timing.cores import CoreShare
from prunebench.timing.energy import Meter, NoMeterError, find_meter, joules
from prunebench.timing.latency import median_interval, paired, repeats, synchronised
from prunebench.timing.memory import added_bytes
from prunebench.timing.warming import Call, warm_up

log = logging.getLogger("prunebench")


class Stopwatch:
    """Times networks in one setting: machine, backend, batch and threads."""

    def __init__(self, store: Store, device: torch.device, backend: Backend, batch: int, rounds: int) -> None:
        check_backend(backend)
        self.store, self.device = store, device
        self.backend, self.batch, self.rounds = backend, batch, rounds
        self.place = torch.device("cpu") if backend in EXPORTED else device
        self.machine = environment.device_name(str(self.place))
        self._warned = False

    def runner(self, model: nn.Module, shape: Sequence[int]) -> Call:
        """Return a call that runs a network on one batch. shape: of a picture, (channels, height, width)."""
        draws = torch.Generator().manual_seed(0)
        example = torch.randn(self.batch, *shape, generator=draws).to(self.device)
        return runner(model, example, self.backend)

    def measure(self, dense: Call, pruned: Call, record: Record) -> Latency:
        """Time dense and pruned network in turn, from when they are warm."""
        share = CoreShare()
        times = self.warm_up(dense, pruned)
        a, b = paired(dense, pruned, self.rounds, (times[0], times[1]))
        had = round(share(), 4) if self._computes else None
        energy = [self._joules(call) for call in (dense, pruned)]
        memory = [added_bytes(call, self.place) for call in (dense, pruned)]
        ratios = a / b
        speedup, low, high = median_interval(ratios)
        return Latency(
            key=record.key,
            machine=self.machine,
            backend=self.backend,
            batch=self.batch,
            threads=torch.get_num_threads(),
            dense_seconds=float(sorted(a)[len(a) // 2]),
            pruned_seconds=float(sorted(b)[len(b) // 2]),
            ratios=tuple(round(float(ratio), 4) for ratio in ratios),
            speedup=speedup,
            low=low,
            high=high,
            core_share=had,
            dense_joules=energy[0],
            pruned_joules=energy[1],
            dense_call_bytes=memory[0],
            pruned_call_bytes=memory[1],
        )

    @property
    def _computes(self) -> bool:
        """Whether the timing thread computes itself; it waits for other devices."""
        return self.place.type == "cpu"

    @cached_property
    def meter(self) -> Meter | None:
        """Meter of the device's energy. Where there is none, a line says why, once."""
        try:
            return find_meter(self.place)
        except NoMeterError as error:
            _say_not_measured(error)
            return None

    def _joules(self, call: Call) -> float | None:
        """Measure the joules of a call per picture. A counter that fails is not asked again."""
        if self.meter is None:
            return None
        try:
            each = joules(self.meter, call)
        except NoMeterError as error:
            _say_not_measured(error)
            self.meter = None
            return None
        return each and each / self.batch

    def warm_up(self, *calls: Call) -> list[int]:
        """Run calls until they are warm, and warn once where the machine is too busy. Returns the repeats of each."""
        share = CoreShare()
        seconds = warm_up(*calls)
        alone = torch.get_num_threads() == 1  # else a thread waits for the others, too
        if self._computes and alone and not self._warned and share() < ENOUGH_OF_CORE:
            self._warned = True
            got = f"the timing thread had {100 * share():.0f} % of its core"
            log.warning("the machine is too busy to time on: %s; stop other work", got)
        return [repeats(one) for one in seconds]

    def keep(self, latencies: list[Latency]) -> None:
        """Write latencies beside the records; replaces older latencies of the same points."""
        name = re.sub(r"\W+", "-", f"{self.machine}-{self.backend}")
        path = self.store.folder / "timing" / f"{name}.json"
        old = self.store.stored(
            path, partial(read_file, TimingFile), "its timings are taken anew when they are asked for"
        )
        every = (*(old.latencies if old else ()), *latencies)
        merged = {(one.key, one.batch, one.threads): one.model_dump(mode="json") for one in every}
        self.store.write_json(path, {"schema_version": SCHEMA, "latencies": list(merged.values())})


def _say_not_measured(error: NoMeterError) -> None:
    log.info("energy per picture is not measured: %s", error)


class Timer(Stopwatch):
    """Times the networks of one grid; builds the runner of a dense network once per task."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.spec = spec = grid.spec
        device = find_device(spec.device)
        super().__init__(Store(spec.results), device, spec.backend, spec.timing_batch, spec.timing_rounds)
        self._dense: tuple[tuple[str, str], Call] | None = None

    def dense(self, job: Job) -> Call:
        """Return a call that runs the dense network of a job's task."""
        name = (job.dataset, job.model)
        if self._dense is None or self._dense[0] != name:
            ready = prepare_task(self.spec, *name)
            self._dense = (name, self.runner(ready.fresh(0, self.device).model, ready.loaded.shape))
        return self._dense[1]

    def pruned(self, job: Job, record: Record) -> Call:
        """Return a call that runs a new network of the record's widths; its weights do not affect the time."""
        ready = prepare_task(self.spec, job.dataset, job.model)
        network = ready.fresh(0, self.device)
        return self.runner(as_recorded(network, record, ready.found_blocks).model, ready.loaded.shape)

    def scoring(self, job: Job) -> Call:
        """Return a call that scores a new dense network; its weights do not affect the time."""
        ready, method = prepare_task(self.spec, job.dataset, job.model), method_of(self.spec, job)
        assert method.score is not None
        criterion, network, structure = method.score, ready.fresh(job.seed, self.device), ready.structure("macs")
        batches = ready.data(job.seed, self.device).calibration.batches(ready.protocol.calibration_batch)
        draws = partial(generator, job.seed, "timing")
        return synchronised(lambda: structure.score(criterion, network, batches, draws()), self.device)


def as_recorded(network: Network, record: Record, blocks: Collection[Block] = ()) -> Network:
    """Cut a dense network to the shape of a record's network. blocks: of the dense network, if some are gone."""
    if record.blocks:
        return without_blocks(network, [block for block in blocks if block.name in record.blocks])
    excess = {group.name: torch.arange(units_of(group, record), group.units) for group in network.table.groups}
    return remove(network, excess)


def units_of(group: Group, record: Record) -> int:
    """Count a group's remaining units in a record. In a grouped convolution one unit is several channels."""
    dense, now = record.widths[group.name]
    return now * group.units // dense
