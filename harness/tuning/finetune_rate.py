"""Chooses the fine-tuning rate of a task: the best of four on validation pictures, by random units, shared by all.

The rate after pruning can decide a ranking (Le & Hua, ICLR 2021; Wang et al., arXiv 2301.05219), so no criterion has a
say in it: the units are those of `random`, the accuracy is that of the validation pictures after fine-tuning.
"""

from collections.abc import Sequence
from itertools import chain

from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.plugins.expressions import parse_seeds
from prunebench.study.grid import Grid, make_grid, task
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec
from prunebench.study.store import Store
from prunebench.study.swept import Sweep, sweep_path
from prunebench.tuning.trials import best, first_reason, of, run_trials, seconds, shown, validation

SHARES = (1.0, 0.3, 0.1, 0.03)  # of the dense peak rate


def sweep(spec: Spec, progress: Progress) -> list[Sweep]:
    """Try every share on every task of a spec, and write what was found for `--finetune-rate swept`.

    Dense and sparse-trained networks are those of a run with the same options; no records are written.
    """
    if not spec.finetune_epochs:
        raise UserError("--finetune-epochs 0: without fine-tuning there is no rate to choose")
    grids = [_grid(spec, share) for share in SHARES]
    grid, store = grids[0], Store(spec.results)
    tasks = dict.fromkeys((job.dataset, job.model) for job in grid.jobs)
    paths = {names: sweep_path(task(grid.spec, *names), spec.results, grid.metric) for names in tasks}
    found = dict(zip(SHARES, run_trials(grids, progress, apart=("rung", "point")), strict=True))
    sweeps, failures = [], []
    for dataset, model in tasks:
        name = f"{dataset} x {model}"
        ours = {share: of(trials, dataset=dataset, model=model) for share, trials in found.items()}
        means = {share: validation(trials) for share, trials in ours.items()}
        share, all_ours = best(means), list(chain.from_iterable(ours.values()))
        if share is None:
            why = first_reason(all_ours)
            failures.append(f"{name}: no share can be chosen, each failed at some point: {why}")
            continue
        done = Sweep(
            task=name,
            share=share,
            validation={f"{share:g}": mean for share, mean in means.items()},
            metric=grid.metric,
            keeps=grid.keeps,
            seeds=parse_seeds(spec.seeds),
            seconds=seconds(all_ours),
        )
        store.write_json(paths[dataset, model], done.model_dump(mode="json"))
        sweeps.append(done)
    if failures:
        raise UserError("; ".join(failures))
    return sweeps


def table(sweeps: Sequence[Sweep]) -> str:
    """Print what was found: validation accuracy in % by share of the dense peak, the best one marked."""
    rows = [
        [one.task, *(shown(one.validation[f"{share:g}"], "*" * (share == one.share)) for share in SHARES)]
        for one in sweeps
    ]
    head = ["share of the dense peak", *(f"{share:g}" for share in SHARES)]
    return tabulate(rows, head, "simple", stralign="right", disable_numparse=True)


def _grid(spec: Spec, share: float) -> Grid:
    return make_grid(spec.model_copy(update={"criteria": ("random",), "finetune_rate": share}))
