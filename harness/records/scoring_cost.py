"""What a score cost beside a plain forward-backward pass over the same batches, as `pytest benchmarks/` measures it."""

from prunebench.records.record import Frozen


class Price(Frozen):
    """One criterion on one model.

    needs: the passes of its evidence; pictures: how many were scored; peak bytes: None where they cannot be read.
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
