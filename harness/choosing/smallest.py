"""Chooses the smallest network whose accuracy is confirmed to lie above a bound: criterion and keep together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prunebench.calls.results import gather_run
from prunebench.choosing.asked import checked_spec
from prunebench.choosing.budget import CONFIRMED_SEEDS
from prunebench.choosing.field import REFERENCES, Field, find_field
from prunebench.choosing.handing_over import first_seed, hand_over_all, time_chosen
from prunebench.choosing.race import stage_seconds
from prunebench.choosing.searching import Searched, at_keeps, run_trial_search, searched_keeps
from prunebench.choosing.smallest_answer import Smallest, Tested, sections
from prunebench.records.names import RANDOM
from prunebench.records.packed import right_by_record
from prunebench.records.record import Record
from prunebench.reports.language.languages import ENGLISH, find_language
from prunebench.reports.output.writing import refuse_results_folder, write_report
from prunebench.reports.points import distinct_seeds, finetuned_accuracy
from prunebench.reports.statistics.above_bound import above_bound
from prunebench.study.grid import Grid, make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import requested, run
from prunebench.study.spec import Spec


@dataclass(frozen=True)
class _Confirmation:
    """Keeps tested in a fixed order on fresh seeds, and the references at the last confirmed one."""

    tested: tuple[Tested, ...]
    grids: tuple[Grid, ...]
    records: tuple[Record, ...]


def choose_smallest(spec: Spec, bound: float, output: Path | None = None, lang: str = ENGLISH) -> Smallest:
    """Choose the smallest network with an accuracy above a bound; errors name options of the command line."""
    checked = checked_spec(spec)
    find_language(lang)  # an unknown one is an error before anything is computed
    if output is not None:
        refuse_results_folder(checked.results, output)
    field = prepare(checked)
    with Progress() as progress:
        searched = run_trial_search(checked, field.criteria, bound, progress)
        found = _confirmed(checked, searched, bound, progress)
    answer = _answer(checked, bound, field, searched, found)
    return answer if output is None else _written(answer, checked, output, lang)


def prepare(spec: Spec) -> Field:
    """Find the criteria of a search. `magnitude` is one of them. Checks all names."""
    field = find_field(spec, apart=(RANDOM,))
    criteria = tuple(dict.fromkeys((*field.criteria, *REFERENCES)))
    make_grid(at_keeps(spec, searched_keeps(spec)[:1]).model_copy(update={"criteria": criteria, "seeds": "0"}))
    return field


def _confirmed(spec: Spec, searched: Searched, bound: float, progress: Progress) -> _Confirmation:
    """Test keeps on fresh seeds and test pictures, the largest first, up to the first that is not confirmed.

    The order does not depend on the outcomes, so each keep is tested at the full error of 5 %.
    """
    search, tested = searched.search, list[Tested]()
    if search.criterion is None:
        return _Confirmation((), (), ())
    for keep in search.candidates:
        whole = _grid(spec, (search.criterion,), (keep,)).spec.model_copy(update={"save": "all"})
        tested.append(_tested(keep, run(make_grid(whole), progress), bound))
        if not tested[-1].confirmed:
            break
    grids = [_grid(spec, (search.criterion,), [one.keep for one in tested])]
    passed = [one.keep for one in tested if one.confirmed]
    references = tuple(name for name in REFERENCES if name != search.criterion)
    grids += [_grid(spec, references, passed[-1:])] if passed else []
    once = [grid.spec.model_copy(update={"retry_failed": False}) for grid in grids]
    records = [record for each in once for record in run(make_grid(each), progress)]  # the first are only read
    return _Confirmation(tuple(tested), tuple(grids), tuple(records))


def _grid(spec: Spec, criteria: tuple[str, ...], keeps: Sequence[float]) -> Grid:
    seeds = ",".join(map(str, range(CONFIRMED_SEEDS)))
    return make_grid(at_keeps(spec, keeps).model_copy(update={"criteria": criteria, "seeds": seeds}))


def _tested(keep: float, records: Sequence[Record], bound: float) -> Tested:
    """Test one keep. A failed seed leaves it unconfirmed: the other seeds are no evidence of all."""
    done = {one.cell.seed: one for one in records if one.status == "ok"}
    reasons = tuple(one.reason for one in records if one.status != "ok")
    if not done:
        return Tested(keep, None, reasons)
    runs = distinct_seeds(done)
    known = [one.per_image for one in runs.values() if one.per_image is not None]
    pictures = right_by_record(known) if len(known) == len(runs) else None
    found = above_bound([finetuned_accuracy(one) for one in runs.values()], bound, pictures)
    return Tested(keep, found, reasons, repeated=len(runs) < len(done))


def _answer(spec: Spec, bound: float, field: Field, searched: Searched, found: _Confirmation) -> Smallest:
    passed = [one.keep for one in found.tested if one.confirmed]
    chosen = passed[-1] if passed else None
    ours = [one for one in found.records if one.cell.criterion == searched.search.criterion and one.cell.keep == chosen]
    first = first_seed(ours, str(searched.search.criterion)) if ours else ()
    latencies = time_chosen(spec, first) if first else ()
    results = None
    if found.grids:
        results = gather_run(found.grids[0], found.records, latencies)
        results = replace(results, asked=tuple(map(requested, found.grids)))
    return Smallest(
        bound=bound,
        metric=spec.keep.metric,
        keep=chosen,
        field=field,
        searched=searched,
        tested=found.tested,
        results=results,
        seconds=searched.seconds + stage_seconds(*found.grids),
        records=first,
        latencies=latencies,
    )


def _written(answer: Smallest, spec: Spec, output: Path, lang: str) -> Smallest:
    """Write page and network into the output folder; without a confirmation there is neither."""
    results = answer.results
    if results is None:
        return answer
    write_report(results, output, front=sections(answer), lang=lang)
    if answer.records:
        answer = replace(answer, networks=hand_over_all(answer.records, spec, output))
        write_report(results, output, front=sections(answer), lang=lang)
    return answer
