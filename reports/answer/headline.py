"""The headline of a report: what each task answers, in a sentence or two."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from prunebench.records.requested import FEWEST_SEEDS
from prunebench.reports.analysis.answers import Answer, Row
from prunebench.reports.analysis.verdicts import BETTER, NO_PAIRS, OTHER_BUDGET, WORSE
from prunebench.reports.answer.decomposition import what_decides
from prunebench.reports.answer.effects import what_changes
from prunebench.reports.answer.keeps import keeps_note, keeps_table
from prunebench.reports.document import Items, Part, Section, Table, Text
from prunebench.reports.formatting import as_multiple, is_missing, percent, seed_counts, share, signed_points
from prunebench.reports.language.message import SEMICOLON, SPACE, Message, code, joined, say, say_many
from prunebench.reports.ordering import BASELINE, DENSE, DENSE_CONTINUED, METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS, make_point
from prunebench.reports.results import Results
from prunebench.reports.row_text import setting_text
from prunebench.reports.sections.comparison import UNRELIABLE
from prunebench.reports.statistics.intervals import LEVEL
from prunebench.reports.tables.speed import main_setting

TITLE = say("The answer")
MOST_NAMED = 3  # of criteria that all hold one keep


def headline_section(
    results: Results, answers: Sequence[Answer], tables: Mapping[str, pd.DataFrame], condition: str
) -> Section:
    """Write the sentences of every task, ranking and metric; below those of a task stands the table of its keeps.

    tables: as `make_tables`. condition: what the claims depend on; see `assembly.checkpoint_condition`.
    """
    if not answers:
        return Section(TITLE, (), say("No point came out."))
    setting, summary = main_setting(results), tables["summary"]
    said = (*what_decides(tables["decomposition"]), *what_changes(tables["effects"]))
    protocols = (*results.notes, *said) if results.notes else ()
    blocks: list[Part] = [Items(protocols)] if protocols else []  # a protocol is met here for the first time
    for task in dict.fromkeys(one.task for one in answers):
        ours = [one for one in answers if one.task == task]
        lines = tuple(_line(one, ours, results, tables, setting) for one in ours)
        blocks += [Items(lines, task), keeps_table(ours, summary, setting, results.demonstration)]
    marks = any(isinstance(block, Table) and block.contains("‡") for block in blocks)
    notes = [keeps_note(summary), *([Text(UNRELIABLE)] if marks else []), *([Text(condition)] if condition else [])]
    return Section(TITLE, (*blocks, *notes))


def _line(
    answer: Answer,
    of_task: Sequence[Answer],
    results: Results,
    tables: Mapping[str, pd.DataFrame],
    setting: Sequence[object] | None,
) -> Message:
    sentences = joined(_sentences(answer, results, tables, setting), SPACE)
    return say("{place}: {sentences}", place=_where(answer, of_task), sentences=sentences)


def _sentences(
    answer: Answer, results: Results, tables: Mapping[str, pd.DataFrame], setting: Sequence[object] | None
) -> Iterator[str]:
    yield from _verdict(answer, results)
    yield from _failed(answer, results)
    yield from _highest(answer, tables["summary"])
    yield from _trained_as_long(answer, tables["summary"])
    yield from _uneven(answer, tables["summary"])
    if not results.demonstration:
        yield from _largest_cut(answer, tables["smallest_keeps"])
    yield from _speed(answer, tables["summary"], setting)


def _where(answer: Answer, of_task: Sequence[Answer]) -> Message:
    """Name the task and the keep, and the ranking where the task has several. of_task: all answers of the task."""
    given = {"task": answer.task, "share": share(answer.keep), "metric": METRIC_WORDS[answer.metric]}
    if len({one.ranking for one in of_task}) > 1:
        return say("{task}, {ranking} ranking, {share} of the {metric}", ranking=answer.ranking, **given)
    return say("{task}, {share} of the {metric}", **given)


def _verdict(answer: Answer, results: Results) -> Iterator[Message]:
    if results.demonstration:
        reasons = joined(results.demonstration_reasons, SEMICOLON)
        yield say("no verdict: a demonstration ({reasons}).", reasons=reasons)
        return
    yield from _decided(answer)
    yield from _others(answer)


def _decided(answer: Answer) -> Iterator[Message]:
    if answer.better:
        best, *more = answer.better
        yield _best(best)
        if more:
            yield say("Better, too: {names}.", names=_names(more))
    elif not answer.tested:
        yield _not_tested(answer)
    else:
        yield _not_better(answer, seed_counts(row["n"] for row in answer.tested))


def _not_tested(answer: Answer) -> Message:
    if answer.not_compared:
        return say("no criterion can be compared with `{baseline}`.", baseline=BASELINE)
    if answer.named == BASELINE:
        return say("`{baseline}` was run alone: nothing to compare.", baseline=BASELINE)
    return say("no verdict: `{baseline}` was not run.", baseline=BASELINE)


def _not_better(answer: Answer, seeds: Message) -> Message:
    if answer.tested == answer.too_few:
        return say("no verdict: {seeds}; {needed} needed.", seeds=seeds, needed=_needed(answer.tested))
    if answer.worse:
        return say("no criterion is better than `{baseline}` ({seeds}).", baseline=BASELINE, seeds=seeds)
    names = _names(answer.undecided)
    return say("undecided against `{baseline}` ({seeds}): {names}.", baseline=BASELINE, seeds=seeds, names=names)


def _others(answer: Answer) -> Iterator[Message]:
    if answer.worse:
        yield say("Worse: {names}.", names=_names(answer.worse))
    if answer.undecided and (answer.better or answer.worse):
        yield say("Undecided: {names}.", names=_names(answer.undecided))
    if answer.too_few and answer.tested != answer.too_few:
        needed, names = _needed(answer.too_few), _names(answer.too_few)
        yield say("Too few seeds ({needed} needed): {names}.", needed=needed, names=names)
    if rows := [row for row in answer.not_compared if row["verdict"] == OTHER_BUDGET]:
        yield say("Not compared, as the networks do not cost the same: {names}.", names=_names(rows))
    if rows := [row for row in answer.not_compared if row["verdict"] == NO_PAIRS]:
        yield say("No shared seed: {names}.", names=_names(rows))


def _highest(answer: Answer, summary: pd.DataFrame) -> Iterator[Message]:
    """Give the mean of a criterion that reached more than the named one, of which nothing is proven."""
    named = _point(answer, summary, answer.named)
    if answer.highest is None or named is None:
        return
    yield say(
        "Highest mean accuracy of those compared: `{criterion}` {accuracy}, `{named}` {own}; this proves nothing.",
        criterion=answer.highest[0],
        accuracy=percent(answer.highest[1]),
        named=answer.named,
        own=percent(named["accuracy_finetuned"]),
    )


def _needed(rows: Sequence[Row]) -> int:
    """Give the seeds that a verdict takes; a single seed has no test that would say more."""
    return max([FEWEST_SEEDS, *(int(row["seeds_needed"]) for row in rows if not is_missing(row.get("seeds_needed")))])


def _best(row: Row) -> Message:
    gain, low, high = (signed_points(row[name]).removeprefix("+") for name in ("difference", "low", "high"))
    given = {"criterion": row["criterion"], "baseline": BASELINE, "gain": gain, "low": low, "high": high}
    if row["on_these_pictures"]:
        return say_many(
            "`{criterion}` is better than `{baseline}` by {gain} points ({low} to {high}; {number} seed, on these "
            "test pictures).",
            "`{criterion}` is better than `{baseline}` by {gain} points ({low} to {high}; {number} seeds, on these "
            "test pictures).",
            row["n"],
            **given,
        )
    return say_many(
        "`{criterion}` is better than `{baseline}` by {gain} points ({low} to {high}; {number} seed).",
        "`{criterion}` is better than `{baseline}` by {gain} points ({low} to {high}; {number} seeds).",
        row["n"],
        **given,
    )


def _names(rows: Sequence[Row]) -> str:
    return joined(map(_name, rows))


def _name(row: Row) -> str:
    if row["verdict"] in (BETTER, WORSE) and row["on_these_pictures"]:
        return say("`{criterion}` (on these test pictures)", criterion=row["criterion"])
    return code(row["criterion"])


def _failed(answer: Answer, results: Results) -> Iterator[Message]:
    """Count the failed seeds of this keep: verdicts are of the others."""
    points = (make_point(record, results.tasks[record.key]) for record in results.failures)
    failed = Counter(point.criterion for point in points if (*point[:3], point.keep) == (*answer.panel, answer.keep))
    lost = [
        say_many("{number} seed of `{criterion}`", "{number} seeds of `{criterion}`", number, criterion=name)
        for name, number in failed.items()
    ]
    if lost:
        yield say("Failed: {lost}.", lost=joined(lost))


def _trained_as_long(answer: Answer, summary: pd.DataFrame) -> Iterator[Message]:
    """Give the accuracy beside that of the dense network trained as long: training alone may gain more."""
    named, continued = (_point(answer, summary, name) for name in (answer.named, DENSE_CONTINUED))
    if named is None or continued is None:
        return
    yield say(
        "Accuracy: `{criterion}` {pruned}, dense network {dense}, dense network trained as long {continued}.",
        criterion=answer.named,
        pruned=percent(named["accuracy_finetuned"]),
        dense=percent(named["accuracy_dense"]),
        continued=percent(continued["accuracy_finetuned"]),
    )


def _uneven(answer: Answer, summary: pd.DataFrame) -> Iterator[Message]:
    """Warn where the points of the keep do not have the same seeds: their means are not of the same networks."""
    ours = summary[(summary[PANEL_COLUMNS] == list(answer.panel)).all(axis="columns")]
    ours = ours[ours["keep"] == answer.keep]
    if ours["seeds"].nunique() > 1:
        yield say("Not all means are over the same seeds ({seeds}).", seeds=seed_counts(ours["n"]))


def _largest_cut(answer: Answer, smallest: pd.DataFrame) -> Iterator[Message]:
    """Say how much can go without loss, and by which criteria: the claim of each is tested by itself."""
    if not len(smallest):
        return
    panel = smallest[(smallest[PANEL_COLUMNS] == list(answer.panel)).all(axis="columns")]
    ours, trained = (panel[panel["reference"] == reference] for reference in (DENSE, DENSE_CONTINUED))
    if len(ours) and int(ours["n"].max()) > 1:
        yield from _beside_dense(answer, ours)
    if len(trained) and int(trained["n"].max()) > 1:
        yield from _beside_trained(answer, trained)


def _beside_trained(answer: Answer, ours: pd.DataFrame) -> Iterator[Message]:
    """Say the same beside the dense network that was trained as long: there a gain of training counts for nothing."""
    held, tried = ours.dropna(subset=["smallest_keep"]), int((ours["n"] > 1).sum())
    if not len(held):
        yield say("No cut was shown to stay that close to the dense network trained as long.")
        return
    least, names = _smallest(held, tried)
    yield say(
        "As close to the dense network trained as long: {removed} of the {metric} removed, by {names}.",
        removed=share(1 - least),
        metric=METRIC_WORDS[answer.metric],
        names=names,
    )
    if tried > 1:
        yield say("It is the best of {tried}, each tested by itself.", tried=tried)


def _smallest(held: pd.DataFrame, tried: int) -> tuple[float, str]:
    """Give the smallest keep, and the criteria that held it."""
    least = float(held["smallest_keep"].min())
    names = held[held["smallest_keep"] == least]["criterion"]
    if len(names) == tried > MOST_NAMED:
        return least, say("all {number} criteria", number=tried)
    return least, joined(map(code, names))


def _beside_dense(answer: Answer, ours: pd.DataFrame) -> Iterator[Message]:
    margin = f"{100 * float(ours['margin'].iloc[0]):g}"
    held, tried = ours.dropna(subset=["smallest_keep"]), int((ours["n"] > 1).sum())
    if not len(held):
        yield say("No cut was shown to stay within {margin} points of the dense network.", margin=margin)
        return
    least, names = _smallest(held, tried)
    given = {"margin": margin, "level": percent(LEVEL, 0), "removed": share(1 - least), "names": names}
    given["metric"] = METRIC_WORDS[answer.metric]
    if tried > 1:
        yield say(
            "Largest cut shown to stay within {margin} points of the dense network: {removed} of the {metric} removed, "
            "by {names}. It is the best of {tried}, each tested by itself ({level} interval).",
            tried=tried,
            **given,
        )
    else:
        yield say(
            "Largest cut shown to stay within {margin} points of the dense network ({level} interval): {removed} of "
            "the {metric} removed, by {names}.",
            **given,
        )


def _speed(answer: Answer, summary: pd.DataFrame, setting: Sequence[object] | None) -> Iterator[Message]:
    """Give the speed-up of the named criterion at the keep of the answer, and the machine that measured it."""
    row = _point(answer, summary, answer.named)
    if answer.metric == "weights" or row is None:
        return
    theory = as_multiple(row["theoretical"])
    given = {"criterion": answer.named, "share": share(answer.keep), "theory": theory}
    if setting is None or pd.isna(row.get("measured")):
        yield say("Speed-up of `{criterion}` at {share}: {theory} in theory; not timed.", **given)
    else:
        measured = as_multiple(row["measured"], row["measured_half"])
        yield _measured_speed(given | {"measured": measured}, setting, bool(row["noisy"]))


def _measured_speed(given: Mapping[str, object], setting: Sequence[object], noisy: bool) -> Message:
    given = {**given, "setting": setting_text(setting)}
    if noisy:
        return say(
            "Speed-up of `{criterion}` at {share}: {measured} measured on {setting}, unreliable as the machine was "
            "busy; {theory} in theory.",
            **given,
        )
    return say("Speed-up of `{criterion}` at {share}: {measured} measured on {setting}; {theory} in theory.", **given)


def _point(answer: Answer, summary: pd.DataFrame, criterion: str) -> Row | None:
    """Find a criterion at the keep of the answer."""
    ours = summary[(summary[PANEL_COLUMNS] == list(answer.panel)).all(axis="columns")]
    rows = ours[(ours["keep"] == answer.keep) & (ours["criterion"] == criterion)].to_dict("records")
    return rows[0] if rows else None
