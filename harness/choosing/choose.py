"""Chooses a criterion: finds the field, races it, confirms the finalists, times and hands over the chosen network."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

from tabulate import tabulate

from prunebench.choosing.answer import Answer, sections, standing_of
from prunebench.choosing.asked import check_alone, checked_spec, read_bound
from prunebench.choosing.budget import Plan, make_plan
from prunebench.choosing.confirm import confirm
from prunebench.choosing.field import REFERENCES, Field, confirmed_names, find_field
from prunebench.choosing.handing_over import first_seed, hand_over_all, time_chosen
from prunebench.choosing.race import run_trial_race
from prunebench.choosing.rounds import FINALISTS, most_rounds
from prunebench.choosing.smallest import choose_smallest
from prunebench.choosing.smallest_answer import Smallest
from prunebench.errors import UserError
from prunebench.reports.formatting import duration
from prunebench.reports.language.languages import ENGLISH, find_language
from prunebench.reports.language.message import say
from prunebench.reports.output.writing import refuse_results_folder, write_report
from prunebench.seeding import RACE_SEEDS
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec, make_spec
from prunebench.words import in_python_words


@overload
def choose(
    spec: Spec | Mapping[str, Any],
    output: Path | None = None,
    budget: str | None = None,
    *,
    lang: str = ENGLISH,
    at_least: None = None,
) -> Answer: ...


@overload
def choose(
    spec: Spec | Mapping[str, Any],
    output: Path | None = None,
    budget: str | None = None,
    *,
    lang: str = ENGLISH,
    at_least: float,
) -> Smallest: ...


@in_python_words()
def choose(
    spec: Spec | Mapping[str, Any],
    output: Path | None = None,
    budget: str | None = None,
    *,
    lang: str = ENGLISH,
    at_least: float | None = None,
) -> Answer | Smallest:
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
        at_least: an accuracy, in place of a keep. The answer is a `Smallest`: the smallest network whose accuracy is
            confirmed to lie above it.

    Raises:
        UserError: the spec has several tasks, keeps no networks, or names controls. The budget is too small, the
            language is not there, or all fail. A keep or a budget is given beside `at_least`.

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
    ready = spec if isinstance(spec, Spec) else make_spec(dict(spec))
    if at_least is None:
        return make_choice(ready, output, budget, lang)
    check_alone(at_least, not isinstance(spec, Spec) and spec.get("keep"), budget)
    return choose_smallest(ready, read_bound(at_least), output, lang)


def make_choice(spec: Spec, output: Path | None = None, budget: str | None = None, lang: str = ENGLISH) -> Answer:
    """Choose as `choose` does; errors name options of the command line."""
    checked = checked_spec(spec)
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
    ours = first_seed(confirmation.records, best.criterion)
    latencies = time_chosen(checked, ours)
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
    spec = checked_spec(spec)
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


def _written(answer: Answer, output: Path, lang: str) -> Answer:
    """Write page and networks into the output folder; the page first, since a network may have to be computed."""
    results = answer.confirmation.results
    write_report(results, output, front=sections(answer), lang=lang)
    answer = replace(answer, networks=hand_over_all(answer.records, answer.confirmation.grid.spec, output))
    write_report(results, output, front=sections(answer), lang=lang)
    return answer
