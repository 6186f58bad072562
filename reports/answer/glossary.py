"""The words of a report, explained where they are read."""

from prunebench.reports.document import Items, Section
from prunebench.reports.language.message import say

TERMS = (
    say("`pruning`: removing units or single weights from a trained network."),
    say("`CNN`: a convolutional neural network."),
    say("`criterion`: a rule that scores units; low scores are removed first."),
    say("`unit`: what is removed: an output channel of a convolution, or an output feature of a linear layer."),
    say("`keep`: the fraction of a cost that the pruned network keeps, such as 0.25 of the MACs."),
    say("`task`: a dataset with a model."),
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
    say("`95 % interval`: where the mean over all seeds one might draw lies, if seeds scatter normally (Student's t)."),
    say("`non-inferior`: shown to lose less than the margin, at 95 % confidence."),
    say("`dense`: the network before any cut."),
    say("`dense_continued`: the dense network, trained for as many epochs as the pruned ones."),
    say("`scratch:X`: the widths that X left, trained from fresh weights."),
    say("`shuffle:X`: the widths that X left, with random units."),
    say("`fine-tuning`: training after the cut, with the same epochs for every criterion."),
)


def glossary_section() -> Section:
    """List the words of a report."""
    return Section(say("Glossary"), (Items(TERMS),))
