"""Cost of a score and of a plain forward-backward pass over the same batches, from `pytest benchmarks/`."""

from prunebench.records.validation import Above0, Count, Frozen, Name, Positive


class ScoringCost(Frozen):
    """Scoring cost of one criterion on one model.

    needs: passes that the evidence takes. pictures: number scored on. peak bytes: None where they cannot be read.
    """

    criterion: Name
    model: Name
    needs: tuple[Name, ...]
    seconds: Above0
    plain_seconds: Above0
    ratio: Above0
    pictures: Positive
    peak_bytes: Count | None = None
    plain_peak_bytes: Count | None = None
