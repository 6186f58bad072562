"""The headline of a report: what each task answers, in a sentence or two."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from prunebench.records.requested import FEWEST_SEEDS
from prunebench.reports.analysis.answers import Answer, Row
from prunebench.reports.analysis.verdicts import BETTER, NO_PAIRS, OTHER_BUDGET, WORSE
from prunebench.reports.document import Items, Section, Text
from prunebench.reports.formatting import as_multiple, count_range, counted, is_missing, percent, share, signed_points
from prunebench.reports.ordering import BASELINE, DENSE, DENSE_CONTINUED, METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS, make_point
from prunebench.reports.results import Results
from prunebench.reports.row_text import ON_THESE_PICTURES
from prunebench.reports.statistics.intervals import LEVEL
from prunebench.reports.tables.speed import main_setting

TITLE = "The answer"
NOT_COMPARED = {OTHER_BUDGET: "Not compared, as the networks do not cost the same", NO_PAIRS: "No shared seed"}


def headline_section(
    results: Results, answers: Sequence[Answer], tables: Mapping[str, pd.DataFrame], condition: str
) -> Section:
    """Write the sentences of every task, ranking and metric.

    tables: as `make_tables`. condition: what the claims depend on; see `assembly.checkpoint_condition`.
    """
    if not answers:
        return Section(TITLE, (), "No point came out.")
    lines = tuple(f"{_where(one, answers)}: {' '.join(_sentences(one, results, tables))}" for one in answers)
    return Section(TITLE, (Items(lines), *([Text(condition)] if condition else [])))


def _sentences(answer: Answer, results: Results, tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    yield from _verdict(answer, results)
    yield from _failed(answer, results)
    if not results.demonstration:
        yield from _largest_cut(answer, tables["smallest_keeps"])
    yield from _training_alone(answer, tables["summary"])
    yield from _speed(answer, tables["summary"], main_setting(results))


def _where(answer: Answer, answers: Sequence[Answer]) -> str:
    """Name the task and the keep, and the ranking where the task has several."""
    several = len({one.ranking for one in answers if one.task == answer.task}) > 1
    ranking = f", {answer.ranking} ranking" if several else ""
    return f"{answer.task}{ranking}, {share(answer.keep)} of the {METRIC_WORDS[answer.metric]}"


def _verdict(answer: Answer, results: Results) -> Iterator[str]:
    if results.demonstration:
        yield f"no verdict: a demonstration ({'; '.join(results.demonstration_reasons)})."
        return
    yield from _decided(answer)
    yield from _others(answer)


def _decided(answer: Answer) -> Iterator[str]:
    tested = answer.tested
    seeds = count_range((row["n"] for row in tested), "seed") if tested else ""
    if answer.better:
        best, *more = answer.better
        yield f"{_beats(best)}."
        if more:
            yield f"Better, too: {_names(more)}."
    elif not tested and answer.not_compared:
        yield f"no criterion can be compared with `{BASELINE}`."
    elif not tested:
        alone = answer.named == BASELINE
        yield f"`{BASELINE}` was run alone: nothing to compare." if alone else f"no verdict: `{BASELINE}` was not run."
    elif tested == answer.too_few:
        yield f"no verdict: {seeds}; {_needed(tested)} needed."
    elif answer.worse:
        yield f"no criterion beats `{BASELINE}` ({seeds})."
    else:
        yield f"no difference to `{BASELINE}` can be told ({seeds})."


def _others(answer: Answer) -> Iterator[str]:
    if answer.worse:
        yield f"Worse: {_names(answer.worse)}."
    if answer.undecided:
        yield f"Undecided: {_names(answer.undecided)}."
    if answer.too_few and answer.tested != answer.too_few:
        yield f"Too few seeds ({_needed(answer.too_few)} needed): {_names(answer.too_few)}."
    for verdict, why in NOT_COMPARED.items():
        if rows := [row for row in answer.not_compared if row["verdict"] == verdict]:
            yield f"{why}: {_names(rows)}."
    for verdict in (BETTER, WORSE):
        if rows := [row for row in answer.elsewhere if row["verdict"] == verdict]:
            yield f"At other keeps {verdict}: {', '.join(map(_at_keep, rows))}."


def _needed(rows: Sequence[Row]) -> int:
    """Give the seeds that a verdict takes; a single seed has no test that would say more."""
    return max([FEWEST_SEEDS, *(int(row["seeds_needed"]) for row in rows if not is_missing(row.get("seeds_needed")))])


def _beats(row: Row) -> str:
    where = f", {ON_THESE_PICTURES}" if row["on_these_pictures"] else ""
    low, high = (signed_points(row[end]).removeprefix("+") for end in ("low", "high"))
    gain = signed_points(row["difference"]).removeprefix("+")
    return f"`{row['criterion']}` beats `{BASELINE}` by {gain} points ({low} to {high}; {row['n']} seeds{where})"


def _names(rows: Sequence[Row]) -> str:
    return ", ".join(map(_name, rows))


def _name(row: Row) -> str:
    where = f" ({ON_THESE_PICTURES})" if row["verdict"] in (BETTER, WORSE) and row["on_these_pictures"] else ""
    return f"`{row['criterion']}`{where}"


def _at_keep(row: Row) -> str:
    return f"{_name(row)} at {share(row['keep'])}"


def _failed(answer: Answer, results: Results) -> Iterator[str]:
    """Count the failed seeds of this keep: verdicts are of the others."""
    points = (make_point(record, results.tasks[record.key]) for record in results.failures)
    failed = Counter(point.criterion for point in points if (*point[:3], point.keep) == (*answer.panel, answer.keep))
    lost = [f"{counted(number, 'seed')} of `{name}`" for name, number in failed.items()]
    if lost:
        yield f"Failed: {', '.join(lost)}."


def _largest_cut(answer: Answer, smallest: pd.DataFrame) -> Iterator[str]:
    """Say how much can go without loss, and by which criteria: the claim of each is tested by itself."""
    if not len(smallest):
        return
    ours = smallest[(smallest[PANEL_COLUMNS] == list(answer.panel)).all(axis="columns")]
    ours = ours[ours["reference"] == DENSE]
    if not len(ours) or int(ours["n"].max()) < 2:
        return
    margin = f"{100 * float(ours['margin'].iloc[0]):g} points of the dense network"
    held = ours.dropna(subset=["smallest_keep"])
    if not len(held):
        yield f"No cut was shown to stay within {margin}."
        return
    least = float(held["smallest_keep"].min())
    names = ", ".join(f"`{name}`" for name in held[held["smallest_keep"] == least]["criterion"])
    removed = f"{share(1 - least)} of the {METRIC_WORDS[answer.metric]}"
    tried = int((ours["n"] > 1).sum())
    best_of = f", the best of {tried}, each tested by itself" if tried > 1 else ""
    yield f"Largest cut shown to stay within {margin} ({percent(LEVEL, 0)} interval{best_of}): {removed}, by {names}."


def _training_alone(answer: Answer, summary: pd.DataFrame) -> Iterator[str]:
    """Say what the dense network reaches when it is trained as long, where that was run."""
    dense, named = (_point(answer, summary, name) for name in (DENSE_CONTINUED, answer.named))
    if dense is not None and named is not None and answer.named != DENSE_CONTINUED:
        reached, ours = (percent(row["accuracy_finetuned"]) for row in (dense, named))
        yield f"The dense network trained as long reaches {reached}, `{answer.named}` {ours}."


def _speed(answer: Answer, summary: pd.DataFrame, setting: Sequence[object] | None) -> Iterator[str]:
    """Give the speed-up of the named criterion at the keep of the answer, and the machine that measured it."""
    row = _point(answer, summary, answer.named)
    if answer.metric == "weights" or row is None:
        return
    theory, whose = as_multiple(row["theoretical"]), f"Speed-up of `{answer.named}` at {share(answer.keep)}"
    if setting is None or pd.isna(row.get("measured")):
        yield f"{whose}: {theory} in theory; not timed."
    else:
        noisy = ", unreliable: the machine was busy" if row["noisy"] else ""
        machine, backend, batch, threads = setting
        where = f"on {machine} ({backend}, batch {batch}, {counted(int(str(threads)), 'thread')}{noisy})"
        yield f"{whose}: {as_multiple(row['measured'], row['measured_half'])} measured {where}; {theory} in theory."


def _point(answer: Answer, summary: pd.DataFrame, criterion: str) -> Row | None:
    """Find a criterion at the keep of the answer."""
    ours = summary[(summary[PANEL_COLUMNS] == list(answer.panel)).all(axis="columns")]
    rows = ours[(ours["keep"] == answer.keep) & (ours["criterion"] == criterion)].to_dict("records")
    return rows[0] if rows else None
