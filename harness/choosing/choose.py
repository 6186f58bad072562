"""Chooses a criterion: finds the field, races it, confirms the finalists, times and hands over the chosen network."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tabulate import tabulate

from prunebench.choosing.answer import Answer, sections, standing_of
from prunebench.choosing.budget import Plan, make_plan
from prunebench.choosing.confirm import Confirmation, confirm
from prunebench.choosing.field import REFERENCES, Field, confirmed_names, find_field
from prunebench.choosing.handing_over import hand_over
from prunebench.choosing.race import run_trial_race
from prunebench.choosing.rounds import FINALISTS, most_rounds
from prunebench.errors import UserError
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.reports.formatting import duration
from prunebench.reports.language.languages import ENGLISH, find_language
from prunebench.reports.language.message import say
from prunebench.reports.output.writing import refuse_results_folder, write_report
from prunebench.seeding import RACE_SEEDS
from prunebench.study.grid import find_device, make_grid
from prunebench.study.networks import allowed_model
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec, make_spec
from prunebench.study.store import Store
from prunebench.timing.stored import time_records
from prunebench.timing.timer import Stopwatch
from prunebench.words import in_python_words

log = logging.getLogger("prunebench")


@in_python_words()
def choose(
    spec: Spec | Mapping[str, Any], output: Path | None = None, budget: str | None = None, *, lang: str = ENGLISH
) -> Answer:
    """Choose a criterion for the one task of a spec: race on validation pictures, confirm on test pictures.

    Accuracies are fractions, times are seconds. Everything computed stays in the results folder: the same call goes
    on where it was stopped.

    Args:
        spec: options by their names, such as ``{"models": "lenet5", "datasets": "digits", "keep": "macs=0.5"}``, or a
            `Spec` of them. Models and datasets are names. Seeds are not used. Without criteria, all that the model
            supports race.
        output: folder for the page and the network; nothing is written without it.
        budget: time, such as `2h` or `1h30m`, which decides how many criteria and seeds are tried.
        lang: language of the page, `en` or `fa`. All other texts are English.

    Raises:
        UserError: the spec has several tasks, keeps no networks, or names controls; the budget is too small; the
            language is not there; all fail.

    >>> import logging, tempfile
    >>> logging.disable()
    >>> short = {"epochs": 1, "sparse_epochs": 0, "rung_epochs": 0, "finetune_epochs": 0, "train_fraction": 0.2}
    >>> task = {"models": "lenet5", "datasets": "digits", "criteria": "fpgm", "keep": "0.5", "device": "cpu"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     answer = choose(short | task | {"results": folder, "timing_rounds": 4})
    >>> answer.criterion in ("fpgm", "magnitude"), answer.trajectories
    (True, 24)
    >>> logging.disable(logging.NOTSET)
    """
    return make_choice(spec if isinstance(spec, Spec) else make_spec(dict(spec)), output, budget, lang)


def make_choice(spec: Spec, output: Path | None = None, budget: str | None = None, lang: str = ENGLISH) -> Answer:
    """Choose as `choose` does; errors name options of the command line."""
    checked = _checked(spec)
    find_language(lang)  # an unknown one is an error before anything is computed
    if output is not None:
        refuse_results_folder(checked.results, output)
    field, plan = prepare(checked, budget)
    with Progress() as progress:
        raced = run_trial_race(checked, plan.criteria, progress, plan.seeds)
        seeds = plan.confirmation_seeds(raced.race.wide)
        confirmation = confirm(checked, raced.race.finalists, seeds, progress)
    found, best = standing_of(confirmation)
    if best is None:
        first = next(record for record in confirmation.records if record.status == "failed")
        raise UserError(f"no criterion came through the confirmation; the first failure: {first.reason}")
    ours = _first_seed(confirmation.records, best.criterion)
    latencies = _timed(confirmation, ours)
    answer = Answer(
        criterion=best.criterion,
        standings=tuple(found),
        field=field,
        raced=raced,
        confirmation=confirmation.timed(latencies),
        records=ours,
        latencies=latencies,
    )
    return answer if output is None else _written(answer, output, lang)


def prepare(spec: Spec, budget: str | None, keep_it: bool = True) -> tuple[Field, Plan]:
    """Find the field and the plan of a choice. keep_it: whether a plan under a budget is stored."""
    field = find_field(spec)
    make_grid(spec.model_copy(update={"criteria": confirmed_names(field.criteria), "seeds": "0"}))  # checks all names
    plan = make_plan(spec, field.criteria, budget, keep_it)
    cut = [name for name in field.criteria if name not in plan.criteria]
    why = say("more than --budget {budget} allows", budget=budget)
    return replace(field, left_out=field.left_out | dict.fromkeys(cut, why)), plan


def describe(spec: Spec, budget: str | None = None) -> str:
    """Describe what a choice would do: rounds, trajectories and estimated time. Computes nothing."""
    spec = _checked(spec)
    field, plan = prepare(spec, budget, keep_it=False)
    rows, first = [], RACE_SEEDS
    for number, (criteria, seeds) in enumerate(most_rounds(len(plan.criteria), plan.seeds), 1):
        rows.append([f"race, round {number}", criteria, f"{first}-{first + seeds - 1}", criteria * seeds, "validation"])
        first += seeds
    finalists = min(FINALISTS, len(plan.criteria))
    seeds = len(plan.confirmation_seeds(wide=bool(rows)))
    confirmed = finalists + len(REFERENCES)
    rows.append(["confirmation", confirmed, f"0-{seeds - 1}", confirmed * seeds, "test"])
    head = ["step", "criteria", "seeds", "trajectories", "pictures that decide"]
    notes = [f"In the race: {', '.join(f'`{name}`' for name in plan.criteria)}.", *field.absent()]
    if plan.seeds is None and len(rows) > 1:
        notes.append("Fewer seeds where the spread of the first round is at most .6 points.")
    total = f"At most {plan.trajectories} trajectories in about {duration(plan.seconds)}"
    return "\n".join(
        [tabulate(rows, head, "simple"), *notes, f"{total}, estimated from training steps timed just now."]
    )


def _checked(spec: Spec) -> Spec:
    """Return the spec of the one task. Raises `UserError` for several tasks, shards and unsaved networks."""
    if len(spec.pairs) != 1:
        raise UserError(f"choose works on one task, not on {len(spec.pairs)}; give one model and one dataset")
    if spec.shard:
        raise UserError(f"--shard {spec.shard}: a race needs all of its blocks; leave --shard out")
    if spec.save == "none":
        raise UserError("--save none: choose hands over a network, which must be stored; leave --save out")
    return spec


def _first_seed(records: tuple[Record, ...], criterion: str) -> tuple[Record, ...]:
    ours = [record for record in records if record.cell.criterion == criterion]
    first = min(record.cell.seed for record in ours)
    return tuple(record for record in ours if record.cell.seed == first)


def _timed(confirmation: Confirmation, records: tuple[Record, ...]) -> tuple[Latency, ...]:
    """Time networks against the dense one. What cannot be timed is said, and does not cost the answer."""
    spec = confirmation.grid.spec
    if spec.keep.metric == "weights":  # dense kernels compute the zeros
        return ()
    try:
        watch = Stopwatch(
            Store(spec.results), find_device(spec.device), spec.backend, spec.timing_batch, spec.timing_rounds
        )
        return tuple(time_records(records, watch, partial(allowed_model, plugins=spec.plugin, models=spec.models)))
    except UserError as error:
        log.warning("the chosen network is not timed: %s", error)
        return ()


def _written(answer: Answer, output: Path, lang: str) -> Answer:
    """Write page and networks into the output folder; the page first, since a network may have to be computed."""
    spec, several = answer.confirmation.grid.spec, len(answer.records) > 1
    write_report(answer.confirmation.results, output, front=sections(answer), lang=lang)
    folders = []
    for record in answer.records:
        name = f"network-{record.cell.metric}{record.cell.keep:g}" if several else "network"
        folders.append(hand_over(record, spec, output / name))
    answer = replace(answer, networks=tuple(folders))
    write_report(answer.confirmation.results, output, front=sections(answer), lang=lang)
    return answer
