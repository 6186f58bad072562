"""The sections on cuts with BatchNorm re-estimated: beside no training, and above what fine-tuning reached."""

import numpy as np

from prunebench.records.record import Record
from prunebench.reports.analysis.damage import Damage, damages
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import percent, signed_interval as in_points
from prunebench.reports.language.message import SPACE, Message, joined, say, say_many
from prunebench.reports.ordering import BASELINE, METRIC_WORDS
from prunebench.reports.points import RecordBySeed
from prunebench.reports.results import Results
from prunebench.reports.row_text import keep_of_metric
from prunebench.reports.statistics.intervals import t_interval

TITLE = say("Cuts with BatchNorm re-estimated")
SPOILT = say("Check this first: fine-tuning lowered the accuracy")
HEADER = (say("task"), say("ranking"), say("keep"), say("criterion"), "n", say("as cut"), say("BN re-estimated"))
CAPTION = say(
    "Difference to `{baseline}` in points over n paired seeds, with its 95 % t interval; not tested.", baseline=BASELINE
)
CURE = say(
    "These are too few steps, or a wrong rate: raise --finetune-epochs, lower --batch, or run `prunebench sweep` and "
    "then --finetune-rate swept."
)
MEANING = say(
    "The network as cut, and with BatchNorm's statistics taken anew on the calibration pictures. Where the columns "
    "disagree, the left one is mostly about the statistics that a cut leaves wrong."
)


def reestimated_sections(results: Results) -> list[Section]:
    """Tabulate cuts as they are and re-estimated, where no network was trained after a cut; else no section."""
    if not results.untrained:
        return []
    found = results.points
    rows = []
    for ours, seeds in found.items():
        reference = found.get(ours._replace(criterion=BASELINE), {})
        if ours.criterion != BASELINE and seeds.keys() & reference.keys():
            where = ours.task, ours.ranking, keep_of_metric(ours._asdict()), ours.criterion
            rows.append((*where, *_columns(seeds, reference)))
    if not rows:
        return [Section(TITLE, (), say("No criterion was run beside `{baseline}`.", baseline=BASELINE))]
    return [Section(TITLE, (Text(MEANING), Table(CAPTION, HEADER, tuple(rows), text_columns=4)))]


def spoilt_sections(results: Results) -> list[Section]:
    """Flag the tasks in which fine-tuning lowered the accuracy; no section where there are none."""
    lines = spoilt_lines(results)
    return [Section(SPOILT, (Items(tuple(lines)),))] if lines else []


def spoilt_lines(results: Results) -> list[str]:
    """Say for each such task what was seen, the batch and steps of fine-tuning, and the cure."""
    return [_spoilt(one) for one in damages(results)]


def _spoilt(one: Damage) -> str:
    seen = say_many(
        "{task}: fine-tuning lowered the accuracy at {points} of {number} point, most for `{criterion}` at {keep} of "
        "the {metric}: from {before} as cut with BatchNorm re-estimated to {after}.",
        "{task}: fine-tuning lowered the accuracy at {points} of {number} points, most for `{criterion}` at {keep} of "
        "the {metric}: from {before} as cut with BatchNorm re-estimated to {after}.",
        one.of,
        task=one.task,
        points=one.points,
        criterion=one.worst.criterion,
        keep=format(one.worst.keep, "g"),
        metric=METRIC_WORDS[one.worst.metric],
        before=percent(one.before),
        after=percent(one.after),
    )
    return joined((seen, _trained(one), CURE), SPACE)


def _trained(one: Damage) -> Message:
    """Say how long it was fine-tuned; steps and batch where they are known."""
    epochs, rate = say_many("{number} epoch", "{number} epochs", one.epochs), format(one.rate, ".2g")
    steps = say("steps unknown") if one.steps is None else say_many("{number} step", "{number} steps", one.steps)
    if not one.batch:
        return say("It trained {epochs} ({steps}), at a peak rate of {rate}.", epochs=epochs, steps=steps, rate=rate)
    return say(
        "It trained {epochs} ({steps}) in batches of {batch}, at a peak rate of {rate}.",
        epochs=epochs,
        steps=steps,
        batch=one.batch,
        rate=rate,
    )


def _columns(ours: RecordBySeed, reference: RecordBySeed) -> tuple[str, str, str]:
    both = [seed for seed in ours if seed in reference]
    pairs = [(_accuracies(ours[seed]), _accuracies(reference[seed])) for seed in both]
    differences = np.array([np.subtract(one, other) for one, other in pairs])
    cut, anew = (in_points(t_interval(column)) for column in differences.T)
    return str(len(both)), cut, anew


def _accuracies(record: Record) -> tuple[float, float]:
    assert record.accuracy is not None
    return record.accuracy.cut, record.accuracy.cut_bn
