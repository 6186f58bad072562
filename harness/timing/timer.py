"""Times points against their dense networks, and stores the latencies apart from the records."""

import re

import torch

from prunebench.pruning.network import Group, Network
from prunebench.pruning.removal import remove
from prunebench.records.files import TimingFile, read_file
from prunebench.records.latency import Latency
from prunebench.records.record import SCHEMA, Record
from prunebench.scoring.score import score
from prunebench.seeding import generator
from prunebench.study import environment
from prunebench.study.grid import Grid, Job, find_device, method_of, prepare_task
from prunebench.study.store import Store
from prunebench.study.task import Task
from prunebench.timing.backends import runner
from prunebench.timing.latency import Call, median_interval, paired, synchronised


class Timer:
    """Times the networks of one grid; builds the runner of a dense network once per task."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.spec = grid.spec
        self.store = Store(self.spec.results)
        self.device = find_device(self.spec.device)
        self.machine = environment.device_name("cpu" if self.spec.backend == "onnx" else str(self.device))
        self._dense: tuple[tuple[str, str], Call] | None = None

    def dense(self, job: Job) -> Call:
        """Return a call that runs the dense network of a job's task."""
        name = (job.dataset, job.model)
        if self._dense is None or self._dense[0] != name:
            ready = prepare_task(self.spec, *name)
            self._dense = (name, self._runner(ready, ready.fresh(0, self.device)))
        return self._dense[1]

    def pruned(self, job: Job, record: Record) -> Call:
        """Return a call that runs a new network of the record's widths; its weights do not affect the time."""
        ready = prepare_task(self.spec, job.dataset, job.model)
        network = ready.fresh(0, self.device)
        excess = {group.name: torch.arange(_units(group, record), group.units) for group in ready.table.groups}
        return self._runner(ready, remove(network, excess))

    def _runner(self, ready: Task, network: Network) -> Call:
        draws = torch.Generator().manual_seed(0)
        example = torch.randn(self.spec.timing_batch, *ready.loaded.shape, generator=draws).to(self.device)
        return runner(network.model, example, self.spec.backend)

    def scoring(self, job: Job) -> Call:
        """Return a call that scores a new dense network; its weights do not affect the time."""
        ready, method = prepare_task(self.spec, job.dataset, job.model), method_of(self.spec, job)
        assert method.score is not None
        criterion, network = method.score, ready.fresh(job.seed, self.device)
        batches = ready.data(job.seed, self.device).calibration.batches(ready.protocol.calibration_batch)
        return synchronised(lambda: score(criterion, network, batches, generator(job.seed, "timing")), self.device)

    def measure(self, dense: Call, pruned: Call, record: Record) -> Latency:
        """Time dense and pruned network in turn."""
        a, b = paired(dense, pruned, self.spec.timing_rounds)
        ratios = a / b
        speedup, low, high = median_interval(ratios)
        return Latency(
            key=record.key,
            machine=self.machine,
            backend=self.spec.backend,
            batch=self.spec.timing_batch,
            threads=torch.get_num_threads(),
            dense_seconds=float(sorted(a)[len(a) // 2]),
            pruned_seconds=float(sorted(b)[len(b) // 2]),
            ratios=tuple(round(float(ratio), 4) for ratio in ratios),
            speedup=speedup,
            low=low,
            high=high,
        )

    def keep(self, latencies: list[Latency]) -> None:
        """Write latencies beside the records; replaces older latencies of the same points."""
        name = re.sub(r"\W+", "-", f"{self.machine}-{self.spec.backend}")
        path = self.store.folder / "timing" / f"{name}.json"
        old = read_file(TimingFile, path).latencies if path.exists() else ()
        merged = {(one.key, one.batch, one.threads): one.model_dump(mode="json") for one in (*old, *latencies)}
        self.store.write_json(path, {"schema_version": SCHEMA, "latencies": list(merged.values())})


def _units(group: Group, record: Record) -> int:
    """Count a group's remaining units. In a grouped convolution one unit is several channels."""
    dense, now = record.widths[group.name]
    return now * group.units // dense
