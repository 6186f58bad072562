"""The headline of a report: what each task answers, in a sentence or two."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from prunebench.records.requested import FEWEST_SEEDS
from prunebench.reports.analysis.answers import Answer, Row
from prunebench.reports.document import Items, Section, Text
from prunebench.reports.formatting import as_multiple, counted, percent, signed_points
from prunebench.reports.ordering import BASELINE, DENSE, DENSE_CONTINUED, METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.results import Results
from prunebench.reports.row_text import ON_THESE_PICTURES
from prunebench.reports.statistics.intervals import LEVEL
from prunebench.reports.tables.speed import main_setting

TITLE = "The answer"


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
    if not results.demonstration:
        yield from _largest_cut(answer, tables["smallest_keeps"])
    yield from _training_alone(answer, tables["summary"])
    yield from _speed(answer, tables["summary"], main_setting(results))


def _where(answer: Answer, answers: Sequence[Answer]) -> str:
    """Name the task and the keep, and the ranking where the task has several."""
    several = len({one.ranking for one in answers if one.task == answer.task}) > 1
    ranking = f", {answer.ranking} ranking" if several else ""
    return f"{answer.task}{ranking}, {percent(answer.keep, 0)} of the {METRIC_WORDS[answer.metric]}"


def _verdict(answer: Answer, results: Results) -> Iterator[str]:
    rows = (*answer.better, *answer.worse, *answer.undecided, *answer.too_few)
    if results.demonstration:
        yield f"no verdict: a demonstration ({' and '.join(results.demonstration_reasons)})."
        return
    if not rows:
        alone = answer.named == BASELINE
        yield f"`{BASELINE}` was run alone: nothing to compare." if alone else f"no verdict: `{BASELINE}` was not run."
        return
    if answer.too_few and not (answer.better or answer.worse):
        yield f"no verdict: {counted(answer.seeds, 'seed')} shared with `{BASELINE}`; {FEWEST_SEEDS} needed."
        return
    yield from _decided(answer)
    yield from _others(answer)


def _decided(answer: Answer) -> Iterator[str]:
    if answer.better:
        best, *more = answer.better
        yield f"{_beats(best)}."
        if more:
            yield f"Better, too: {_names(more)}."
    elif answer.worse:
        yield f"no criterion beats `{BASELINE}` ({counted(answer.seeds, 'seed')})."
    else:
        yield f"no difference to `{BASELINE}` can be told ({counted(answer.seeds, 'seed')})."


def _others(answer: Answer) -> Iterator[str]:
    if answer.worse:
        yield f"Worse: {_names(answer.worse)}."
    if answer.undecided:
        yield f"Undecided: {_names(answer.undecided)}."


def _beats(row: Row) -> str:
    where = f", {ON_THESE_PICTURES}" if row["on_these_pictures"] else ""
    low, high = (signed_points(row[end]).removeprefix("+") for end in ("low", "high"))
    gain = signed_points(row["difference"]).removeprefix("+")
    return f"`{row['criterion']}` beats `{BASELINE}` by {gain} points ({low} to {high}; {row['n']} seeds{where})"


def _names(rows: Sequence[Row]) -> str:
    return ", ".join(f"`{row['criterion']}`" for row in rows)


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
    removed = f"{percent(1 - least, 0)} of the {METRIC_WORDS[answer.metric]}"
    yield f"Largest cut shown to stay within {margin} ({percent(LEVEL, 0)} interval): {removed}, by {names}."


def _training_alone(answer: Answer, summary: pd.DataFrame) -> Iterator[str]:
    """Say what the dense network reaches when it is trained as long as after the cut."""
    dense, named = (_point(answer, summary, name) for name in (DENSE_CONTINUED, answer.named))
    if dense is None:
        yield f"Training alone (`{DENSE_CONTINUED}`) was not run."
    elif named is not None and answer.named != DENSE_CONTINUED:
        reached, ours = (percent(row["accuracy_finetuned"]) for row in (dense, named))
        yield f"The dense network trained as long reaches {reached}, `{answer.named}` {ours}."


def _speed(answer: Answer, summary: pd.DataFrame, setting: Sequence[object] | None) -> Iterator[str]:
    row = _point(answer, summary, answer.named)
    if answer.metric == "weights" or row is None:
        return
    theory = as_multiple(row["theoretical"])
    if setting is None or pd.isna(row.get("measured")):
        yield f"Theoretical speed-up of `{answer.named}` {theory}; not timed."
    else:
        noisy = ", unreliable: the machine was busy" if row["noisy"] else ""
        machine, backend, batch, threads = setting
        where = f"{machine} ({backend}, batch {batch}, {counted(int(str(threads)), 'thread')})"
        speed = f"{as_multiple(row['measured'])} as fast as dense on {where}"
        yield f"`{answer.named}` runs {speed}; theoretical {theory}{noisy}."


def _point(answer: Answer, summary: pd.DataFrame, criterion: str) -> Row | None:
    """Find a criterion at the keep of the answer."""
    ours = summary[(summary[PANEL_COLUMNS] == list(answer.panel)).all(axis="columns")]
    rows = ours[(ours["keep"] == answer.keep) & (ours["criterion"] == criterion)].to_dict("records")
    return rows[0] if rows else None
