"""The words of a report, explained where they are read."""

from prunebench.reports.document import Items, Section

TERMS = {
    "criterion": "a rule that scores units; low scores are removed first.",
    "unit": "what is removed: an output channel of a convolution, or an output feature of a linear layer.",
    "keep": "the fraction of a cost that the pruned network keeps, such as 0.25 of the MACs.",
    "task": "a dataset with a model.",
    "seed": "decides data order, split, initial weights and calibration pictures; all criteria share them.",
    "ranking": "how units of different layers are ranked together; under `local` every layer loses the same share.",
    "MACs": "multiply-accumulates of one picture.",
    "compression": "parameters of the dense network over those of the pruned one.",
    "theoretical speed-up": "MACs of the dense network over those of the pruned one.",
    "measured speed-up": "median ratio of the times of both, run in turn on one machine.",
    "95 % interval": "where the mean over all seeds one might draw lies, if seeds scatter normally (Student's t).",
    "non-inferior": "shown to lose less than the margin, at 95 % confidence.",
    "dense_continued": "the dense network, trained for as many epochs as the pruned ones.",
    "scratch:X": "the widths that X left, trained from fresh weights.",
    "shuffle:X": "the widths that X left, with random units.",
    "fine-tuning": "training after the cut, with the same epochs for every criterion.",
}


def glossary_section() -> Section:
    """List the words of a report."""
    lines = tuple(f"`{word}`: {meaning}" for word, meaning in TERMS.items())
    return Section("Glossary", (Items(lines),))
