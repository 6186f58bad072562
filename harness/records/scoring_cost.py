"""Cost of a score and of a plain forward-backward pass over the same batches, from `pytest benchmarks/`."""

from prunebench.records.record import Frozen


class ScoringCost(Frozen):
    """Scoring cost of one criterion on one model.

    needs: passes that the evidence takes. pictures: number scored on. peak bytes: None where they cannot be read.
    """

    criterion: str
    model: str
    needs: tuple[str, ...]
    seconds: float
    plain_seconds: float
    ratio: float
    pictures: int
    peak_bytes: int | None = None
    plain_peak_bytes: int | None = None
