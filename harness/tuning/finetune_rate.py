"""Chooses the fine-tuning rate of each task: the best of four rates on validation pictures.

The rate after pruning can decide a ranking (Le & Hua, ICLR 2021; Wang et al., arXiv 2301.05219). So all criteria share
one rate, and none of them influences the choice: trials prune by `random`.
"""

from collections.abc import Sequence

from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.preview.dry_run import Preview, preview as preview_grids
from prunebench.records.tuning import Choice
from prunebench.study.choices import rate_file
from prunebench.study.grid import Grid, make_grid, prepare_task
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec
from prunebench.tuning.choose import Search, choose, marked_percent
from prunebench.tuning.trials import run_trials, trials_of

SHARES = (1.0, 0.3, 0.1, 0.03)  # of the dense peak rate
APART = ("rung", "point")  # kinds of stages that trials do not share with runs


def sweep(spec: Spec, progress: Progress) -> list[Choice]:
    """Try every share on every task of a spec; write the best share for `--finetune-rate swept`.

    Shares the dense and sparse-trained networks of a run with the same options. Writes no records.
    """
    grids = rate_grids(spec)
    grid = grids[0]
    found = dict(zip(SHARES, run_trials(grids, progress, apart=APART), strict=True))
    searches = {}
    for dataset, model in dict.fromkeys((job.dataset, job.model) for job in grid.jobs):
        path = rate_file(prepare_task(grid.spec, dataset, model)).path(spec.results, spec.keep.metric)
        ours = {share: trials_of(trials, dataset=dataset, model=model) for share, trials in found.items()}
        searches[Search(dataset, model, "random", path)] = ours
    return choose(searches, grid, prefer=lambda share, _: share)


def preview(spec: Spec) -> Preview:
    """List the trials of a sweep and their estimated cost."""
    return preview_grids(*rate_grids(spec), apart=APART)


def rate_grids(spec: Spec) -> list[Grid]:
    """Return the grid of each share."""
    if not spec.finetune_epochs:
        raise UserError("--finetune-epochs 0: without fine-tuning there is no rate to choose; give 1 or more")
    return [make_grid(spec.model_copy(update={"criteria": ("random",), "finetune_rate": one})) for one in SHARES]


def table(choices: Sequence[Choice]) -> str:
    """Format the choices: validation accuracy in % by share of the dense peak rate, with the best marked."""
    rows = [
        [one.task, *(marked_percent(one.validation[f"{share:g}"], "*" * (share == one.value)) for share in SHARES)]
        for one in choices
    ]
    head = ["share of the dense peak", *(f"{share:g}" for share in SHARES)]
    return tabulate(rows, head, "simple", stralign="right", disable_numparse=True)
