"""The table below the headline: what each task answers at every keep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from prunebench.reports.analysis.answers import Answer, Row
from prunebench.reports.document import Table, Text
from prunebench.reports.formatting import as_multiple, is_missing, percent, seed_counts, share, signed_points
from prunebench.reports.language.message import SPACE, Message, joined, marked, say, say_many
from prunebench.reports.ordering import BASELINE, DENSE_CONTINUED, METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.row_text import setting_text

Setting = Sequence[object] | None
Points = Mapping[tuple[str, str, str, float, str], Row]
NONE = "-"
KEPT, CRITERION, VERDICT = say("kept"), say("criterion"), say("verdict")
TRAINED, MEASURED, THEORY = say("dense, trained as long"), say("speed-up measured"), say("speed-up in theory")
NOTE = say(
    "The criterion of a keep is the best of those that are better than `{baseline}`, or `{baseline}` where none is. "
    "Accuracies are in %, means over seeds.",
    baseline=BASELINE,
)
CONTINUED = say("'dense, trained as long' is `{control}`: no cut, and the same epochs.", control=DENSE_CONTINUED)
NOT_CONTINUED = say("What training alone would give is not known: `{control}` was not run.", control=DENSE_CONTINUED)


class Line(NamedTuple):
    """One keep of one answer, with its criterion's row of the summary and that of the dense network trained on."""

    answer: Answer
    named: Row | None
    continued: Row | None
    demonstration: bool


def keeps_table(answers: Sequence[Answer], summary: pd.DataFrame, setting: Setting, demonstration: bool) -> Table:
    """Tabulate the keeps of one task: the criterion, its verdict, its accuracy and its speed.

    answers: of one task, every ranking and metric. setting: as `main_setting`.
    """
    points = _points(summary)
    lines = [_line(one, points, demonstration) for answer in answers for one in answer.every_keep]
    columns = {name: cell for name, cell in _columns(answers).items() if _used(name, lines)}
    rows = tuple(tuple(cell(line) for cell in columns.values()) for line in lines)
    kinds = tuple(tuple(_style(line) if name == VERDICT else "" for name in columns) for line in lines)
    words = list(columns).index(VERDICT) + 1
    task = answers[0].task
    caption = joined(_caption(task, setting if MEASURED in columns else None, TRAINED in columns), SPACE)
    return Table(caption, tuple(columns), rows, words, task=task, styles=kinds)


def keeps_note(summary: pd.DataFrame) -> Text:
    """Say what the columns are."""
    ran = DENSE_CONTINUED in set(summary["criterion"])
    return Text(joined((NOTE, *([CONTINUED] if ran else [])), SPACE))


def _caption(task: str, setting: Setting, continued: bool) -> Iterator[Message]:
    """Name the task and the machine that the speed was measured on, and say whether training alone is known."""
    if setting is None:
        yield say("{task}: every keep. Nothing was timed.", task=task)
    else:
        yield say("{task}: every keep. Speed-up measured on {setting}.", task=task, setting=setting_text(setting))
    if not continued:
        yield NOT_CONTINUED


def _points(summary: pd.DataFrame) -> Points:
    keys = [*PANEL_COLUMNS, "keep", "criterion"]
    return {tuple(row[name] for name in keys): row for row in summary.to_dict("records")}


def _line(answer: Answer, points: Points, demonstration: bool) -> Line:
    told = answer.named if answer.better or answer.named == BASELINE else ""
    named, continued = (points.get((*answer.panel, answer.keep, name)) for name in (told, DENSE_CONTINUED))
    return Line(answer, named, continued, demonstration)


def _columns(answers: Sequence[Answer]) -> dict[str, Callable[[Line], str]]:
    several = len({one.ranking for one in answers}) > 1
    ranking: dict[str, Callable[[Line], str]] = {say("ranking"): lambda line: line.answer.ranking} if several else {}
    return ranking | {
        KEPT: lambda line: _kept(line.answer),
        CRITERION: lambda line: line.answer.named if line.named else NONE,
        VERDICT: _verdict_and_highest,
        say("accuracy"): lambda line: _accuracy(line.named),
        say("dense"): lambda line: NONE if line.named is None else percent(line.named["accuracy_dense"]),
        TRAINED: lambda line: _accuracy(line.continued),
        MEASURED: _measured,
        THEORY: _theory,
    }


def _used(name: str, lines: Sequence[Line]) -> bool:
    """Tell whether a column says anything."""
    if name == TRAINED:
        return any(line.continued for line in lines)
    if name == MEASURED:
        return any(_measured(line) != NONE for line in lines)
    return name != THEORY or any(_theory(line) != NONE for line in lines)


def _kept(answer: Answer) -> Message:
    return say("{share} of the {metric}", share=share(answer.keep), metric=METRIC_WORDS[answer.metric])


def _verdict_and_highest(line: Line) -> str:
    """Write the verdict, and the criterion with the highest mean where nothing is proven of it."""
    found, highest = _verdict(line), line.answer.highest
    if highest is None:
        return found
    return say("{found}; highest mean: {criterion} {mean}", found=found, criterion=highest[0], mean=percent(highest[1]))


def _verdict(line: Line) -> str:
    """Write the verdict of a keep in few words."""
    answer = line.answer
    if line.demonstration:
        return say("no verdict: a demonstration")
    if answer.better:
        return _better(answer.better[0])
    if not answer.tested:
        alone = answer.named == BASELINE
        return say("nothing to compare") if alone else say("no verdict: {baseline} was not run", baseline=BASELINE)
    seeds = seed_counts(row["n"] for row in answer.tested)
    if answer.undecided:
        names = joined(str(row["criterion"]) for row in answer.undecided)
        return say("undecided: {names} ({seeds})", names=names, seeds=seeds)
    if answer.too_few:
        return say("no verdict: too few seeds ({seeds})", seeds=seeds)
    return say("the others are worse ({seeds})", seeds=seeds)


def _better(row: Row) -> Message:
    given = {"gain": signed_points(row["difference"]).removeprefix("+"), "baseline": BASELINE}
    given |= {"low": signed_points(row["low"]).removeprefix("+"), "high": signed_points(row["high"]).removeprefix("+")}
    found = say_many(
        "better than {baseline} by {gain} points ({low} to {high}; {number} seed)",
        "better than {baseline} by {gain} points ({low} to {high}; {number} seeds)",
        row["n"],
        **given,
    )
    return say("{found}, on these test pictures", found=found) if row["on_these_pictures"] else found


def _style(line: Line) -> str:
    if line.demonstration:
        return ""
    return "better" if line.answer.better else "open" if line.answer.undecided else ""


def _accuracy(row: Row | None) -> str:
    return NONE if row is None else percent(row["accuracy_finetuned"])


def _measured(line: Line) -> str:
    row = line.named
    if row is None or line.answer.metric == "weights" or is_missing(row.get("measured")):
        return NONE
    return marked(as_multiple(row["measured"], row["measured_half"]), "‡" if row["noisy"] else "")


def _theory(line: Line) -> str:
    row: Mapping[Any, Any] | None = line.named
    return NONE if row is None or line.answer.metric == "weights" else as_multiple(row["theoretical"])
