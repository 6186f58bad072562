"""The sections on cuts with BatchNorm re-estimated: beside no training, and above what fine-tuning reached."""

import numpy as np

from prunebench.records.record import Record
from prunebench.reports.analysis.damage import Damage, damages
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import counted, percent, signed_interval as in_points
from prunebench.reports.ordering import BASELINE, METRIC_WORDS
from prunebench.reports.points import RecordBySeed
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import t_interval

TITLE = "Cuts with BatchNorm re-estimated"
SPOILT = "Check this first: fine-tuning lowered the accuracy"
HEADER = ("task", "ranking", "keep", "criterion", "n", "as cut", "BN re-estimated")
CAPTION = f"Difference to `{BASELINE}` in points over n paired seeds, with its 95 % t interval; not tested."
MEANING = (
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
            where = ours.task, ours.ranking, f"{ours.keep:g} {METRIC_WORDS[ours.metric]}", ours.criterion
            rows.append((*where, *_columns(seeds, reference)))
    if not rows:
        return [Section(TITLE, (), f"No criterion was run beside `{BASELINE}`.")]
    return [Section(TITLE, (Text(MEANING), Table(CAPTION, HEADER, tuple(rows), text_columns=4)))]


def spoilt_sections(results: Results) -> list[Section]:
    """Flag the tasks in which fine-tuning lowered the accuracy; no section where there are none."""
    lines = spoilt_lines(results)
    return [Section(SPOILT, (Items(tuple(lines)),))] if lines else []


def spoilt_lines(results: Results) -> list[str]:
    """Say for each such task what was seen, the batch and steps of fine-tuning, and the cure."""
    return [_spoilt(one) for one in damages(results)]


def _spoilt(one: Damage) -> str:
    worst = f"`{one.worst.criterion}` at {one.worst.keep:g} of the {METRIC_WORDS[one.worst.metric]}"
    seen = f"fine-tuning lowered the accuracy at {one.points} of {counted(one.of, 'point')}, most for {worst}"
    fall = f"from {percent(one.before)} as cut with BatchNorm re-estimated to {percent(one.after)}"
    steps = "" if one.steps is None else f" ({counted(one.steps, 'step')})"
    batches = f" in batches of {one.batch}" if one.batch else ""
    trained = f"It trained {counted(one.epochs, 'epoch')}{steps}{batches}, at a peak rate of {one.rate:.2g}"
    cure = (
        "These are too few steps, or a wrong rate: raise --finetune-epochs, lower --batch, or run `prunebench sweep` "
        "and then --finetune-rate swept"
    )
    return f"{one.task}: {seen}: {fall}. {trained}. {cure}."


def _columns(ours: RecordBySeed, reference: RecordBySeed) -> tuple[str, str, str]:
    both = [seed for seed in ours if seed in reference]
    pairs = [(_accuracies(ours[seed]), _accuracies(reference[seed])) for seed in both]
    differences = np.array([np.subtract(one, other) for one, other in pairs])
    cut, anew = (in_points(t_interval(column)) for column in differences.T)
    return str(len(both)), cut, anew


def _accuracies(record: Record) -> tuple[float, float]:
    assert record.accuracy is not None
    return record.accuracy.cut, record.accuracy.cut_bn
