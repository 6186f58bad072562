"""The words of a report, explained where they are read."""

from collections.abc import Iterator

from prunebench.records.names import ALIASES
from prunebench.reports.criterion_lines import criterion_lines
from prunebench.reports.document import Items, Section, Text
from prunebench.reports.language.message import Message, say
from prunebench.reports.results import Results

CRITERIA = say("The criteria of this report, each in the words of its own code:")
WORDS = say("The other words:")
TERMS = (
    say("`pruning`: removing units or single weights from a trained network."),
    say("`CNN`: a convolutional neural network."),
    say("`criterion`: a rule that scores units; low scores are removed first."),
    say("`A+B`: both criteria, in the order of execution; a regulariser first acts before the cut, then B scores."),
    say("`X:option=value`: criterion X with another value of an option than its default."),
    say("`unit`: what is removed: an output channel of a convolution, or an output feature of a linear layer."),
    say("`residual block`: a part of a network that adds a branch to its own input, so that it can go as a whole."),
    say("`keep`: the fraction of a cost that the pruned network keeps, such as 0.25 of the MACs."),
    say("`task`: a dataset with a model."),
    say("`protocol`: the options that all criteria of a comparison share, such as epochs."),
    say("`repair`: what mends a network right after a cut, from calibration pictures; `none` mends nothing."),
    say("`seed`: decides data order, split, initial weights and calibration pictures; all criteria share them."),
    say(
        "`ranking`: how units of different layers are ranked together; under `local` every layer loses the same share."
    ),
    say("`regulariser`: a term that training adds to the loss, so that units come close to zero before the cut."),
    say("`Taylor expansion`: the change of the loss when a unit is removed, estimated from derivatives."),
    say("`OBD`: Optimal Brain Damage, the second-order estimate of that change."),
    say("`MACs`: multiply-accumulates of one picture."),
    say("`accuracy`: the share of the test pictures that the network labels right."),
    say("`compression`: parameters of the dense network over those of the pruned one."),
    say("`theoretical speed-up`: MACs of the dense network over those of the pruned one."),
    say("`measured speed-up`: median ratio of the times of both, run in turn on one machine."),
    say("`efficiency`: measured over theoretical speed-up; at 1 the machine is as much faster as the MACs promise."),
    say("`baseline`: the criterion that others are compared with, `magnitude`."),
    say("`margin`: the loss of accuracy, in points, that counts as none; it is chosen beforehand."),
    say("`control`: a run that is no criterion, such as random units; it tells what a criterion adds."),
    say("`BN re-est.`: the network right after the cut, with the statistics of its BatchNorm taken anew."),
    say("`95 % interval`: where the mean over all seeds one might draw lies, if seeds scatter normally (Student's t)."),
    say("`non-inferior`: shown to lose less than the margin, at 95 % confidence."),
    say("`better`, `worse`: shown by one joint test of all criteria and keeps of a task and ranking, at level 0.05."),
    say("`undecided`: not shown better and not shown worse; that does not mean equal."),
    say("`dense`: the network before any cut."),
    say("`dense_continued`: the dense network, trained for as many epochs as the pruned ones."),
    say("`scratch:X`: the widths that X left, trained from fresh weights."),
    say("`shuffle:X`: the widths that X left, with random units."),
    say("`fine-tuning`: training after the cut, with the same epochs for every criterion."),
)


def glossary_section(results: Results) -> Section:
    """List the criteria of a report, then its other words."""
    lines = (*_criteria(results), *_aliases(results))
    criteria = (Text(CRITERIA), Items(lines), Text(WORDS)) if lines else ()
    return Section(say("Glossary"), (*criteria, Items(TERMS)))


def _criteria(results: Results) -> Iterator[str]:
    for name, line in criterion_lines(results).items():
        unknown = say("`{name}`: these results do not say what this criterion is.", name=name)
        yield f"`{name}`: {line}" if line else unknown


def _aliases(results: Results) -> Iterator[Message]:
    used = {record.cell.criterion for record in (*results.records, *results.failures)}
    for name, meaning in ALIASES.items():
        if name in used:
            yield say("`{name}`: another name of `{meaning}`.", name=name, meaning=meaning)
