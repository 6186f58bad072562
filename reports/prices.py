"""The section on what scores cost."""

from collections.abc import Sequence

from prunebench.price import Price
from prunebench.reports.document import Section, Table, Text

HEADER = ("criterion", "evidence", "ratio", "seconds", "plain pass", "peak MiB", "plain peak MiB")
MEANING = (
    "Seconds of CPU time of a score of all units, on one thread, beside those of one plain forward-backward pass over "
    "the same batches in the same process, the smallest of a few each; ratio: the first over the second. Peak: what "
    "either adds at most to the memory that the process holds."
)


def prices_section(prices: Sequence[Price]) -> Section:
    """Give one table for each model, cheapest first."""
    if not prices:
        return Section("Cost of scores", (Text("It was not measured: it is in the JSON of `pytest benchmarks/`."),))
    tables = []
    for model in dict.fromkeys(price.model for price in prices):
        rows = sorted((price for price in prices if price.model == model), key=lambda price: price.ratio)
        tables.append(Table(model, HEADER, tuple(_row(price) for price in rows), left=2, folded=True))
    return Section("Cost of scores", (Text(MEANING), *tables))


def _row(price: Price) -> tuple[str, ...]:
    seconds = f"{price.seconds:.3g}", f"{price.plain_seconds:.3g}"
    memory = _mebibytes(price.peak_bytes), _mebibytes(price.plain_peak_bytes)
    return price.criterion, ", ".join(price.needs) or "no data", f"{price.ratio:.2f}", *seconds, *memory


def _mebibytes(number: int | None) -> str:
    return "-" if number is None else f"{number / 2**20:.1f}"
