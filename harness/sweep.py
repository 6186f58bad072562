"""Chooses the fine-tuning rate of a task: the best of four on validation pictures, by random units, shared by all.

The rate after pruning can decide a ranking (Le & Hua, ICLR 2021; Wang et al., arXiv 2301.05219), so no criterion has a
say in it: the units are those of `random`, the accuracy is that of the validation pictures after fine-tuning.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.grid import Grid, Job, make_grid, task, trajectory
from prunebench.names import Metric, parse_seeds
from prunebench.progress import Progress
from prunebench.record import Record
from prunebench.run import attempt, start, work_off
from prunebench.spec import Spec
from prunebench.store import Store
from prunebench.swept import Sweep, sweep_path

SHARES = (1.0, 0.3, 0.1, 0.03)  # of the dense peak rate


def sweep(spec: Spec, progress: Progress) -> list[Sweep]:
    """Try every share on every task of a spec, and write what was found for `--finetune-rate swept`.

    Dense and sparse-trained networks are those of a run with the same options; no records are written.
    """
    if not spec.finetune_epochs:
        raise UserError("--finetune-epochs 0: without fine-tuning there is no rate to choose")
    grids = {share: _grid(spec, share) for share in SHARES}
    progress.begin(sum(len(grid.jobs) for grid in grids.values()))
    began, store = time.perf_counter(), Store(spec.results)
    ours = [key for grid in grids.values() for key in _pruned(grid, store) if not store.has(key)]
    found: dict[tuple[str, str], dict[float, list[Record]]] = {}
    for share, grid in grids.items():
        for job, records in work_off(grid, progress, measure):
            found.setdefault((job.dataset, job.model), {}).setdefault(share, []).extend(records)
    seconds = time.perf_counter() - began
    for key in ours:  # a run computes those of the chosen share again, in the order that it needs
        store.drop_stage(key)
    sweeps, failures = [], []
    for (dataset, model), records_of in found.items():
        done = _chosen(spec, f"{dataset} x {model}", grids[SHARES[0]], records_of, seconds / len(found))
        if done is None:
            reasons = dict.fromkeys(r.reason for records in records_of.values() for r in records if r.reason)
            failures.append(f"{dataset} x {model}: no share can be chosen, each failed at some point: {min(reasons)}")
            continue
        ready = task(grids[SHARES[0]].spec, dataset, model)
        store.write_json(sweep_path(ready, spec.results, grids[SHARES[0]].metric), done.model_dump(mode="json"))
        sweeps.append(done)
    if failures:
        raise UserError("; ".join(failures))
    return sweeps


def measure(
    spec: Spec, job: Job, metric: Metric, keeps: tuple[float, ...], progress: Progress | None = None
) -> list[Record]:
    """Compute the points of a trajectory without writing their records."""
    path = start(spec, job, metric, progress)
    return [attempt(path, keep) for keep in keeps]


def table(sweeps: Sequence[Sweep]) -> str:
    """Print what was found: validation accuracy in % by share of the dense peak, the best one marked."""
    rows = [
        [one.task, *(_cell(one.validation[f"{share:g}"], share == one.share) for share in SHARES)] for one in sweeps
    ]
    return tabulate(rows, ["share of the dense peak", *(f"{share:g}" for share in SHARES)], "simple", stralign="right")


def _cell(accuracy: float | None, best: bool) -> str:
    return "failed" if accuracy is None else f"{100 * accuracy:.2f}{' *' if best else '  '}"


def _grid(spec: Spec, share: float) -> Grid:
    return make_grid(spec.model_copy(update={"criteria": ("random",), "finetune_rate": share}))


def _chosen(
    spec: Spec, name: str, grid: Grid, records_of: Mapping[float, list[Record]], seconds: float
) -> Sweep | None:
    """Choose the best share; nothing where all failed."""
    means = {share: _mean(records) for share, records in records_of.items()}
    if all(mean is None for mean in means.values()):
        return None
    best = max(means, key=lambda share: (means[share] or 0.0, -share))  # the lower one of two equals
    return Sweep(
        task=name,
        share=best,
        validation={f"{share:g}": mean for share, mean in means.items()},
        metric=grid.metric,
        keeps=grid.keeps,
        seeds=parse_seeds(spec.seeds),
        seconds=seconds,
    )


def _mean(records: Sequence[Record]) -> float | None:
    """Average the validation accuracy at the end of fine-tuning; nothing where a point failed."""
    ends = [record.curves[-1].validation if record.curves else None for record in records]
    known = [end for end in ends if end is not None]
    return sum(known) / len(known) if len(known) == len(ends) else None


def _pruned(grid: Grid, store: Store) -> Iterator[str]:
    """Give the keys of the rungs and points of a grid."""
    for job in grid.jobs:
        path = trajectory(grid.spec, store, job, grid.metric)
        for keep in grid.keeps:
            yield from (s.key for s in path.plan.point(path.method, keep).chain() if s.kind in ("rung", "point"))
