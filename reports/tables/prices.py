"""The costs of scores and repairs as tidy tables."""

from collections.abc import Sequence
from typing import TypeVar

import pandas as pd

from prunebench.records.prices import Growth, Price, RepairPrice, ScorePrice

P = TypeVar("P", bound=Price)
NO_DATA = "no data"  # what data-free criteria need
PEAKS = ("peak_bytes", "plain_peak_bytes")
MEASURED = ("ratio", "seconds", "plain_seconds", *PEAKS)
COLUMNS = ("model", "pictures", "criterion", "evidence", *MEASURED)
REPAIR_COLUMNS = ("model", "pictures", "repair", *MEASURED)


def prices_table(prices: Sequence[ScorePrice]) -> pd.DataFrame:
    """One row per model, number of pictures and criterion, cheapest first: seconds, their ratio, peak bytes."""
    rows = [price.model_dump() | {"evidence": ", ".join(price.needs) or NO_DATA} for price in _cheapest_first(prices)]
    return pd.DataFrame(rows, columns=[*COLUMNS])


def repair_prices_table(prices: Sequence[RepairPrice]) -> pd.DataFrame:
    """One row per model, number of pictures and repair, as `prices_table`."""
    return pd.DataFrame([price.model_dump() for price in _cheapest_first(prices)], columns=[*REPAIR_COLUMNS])


def growth_table(found: Sequence[Growth]) -> pd.DataFrame:
    """One row per score or repair: how many times as long it takes with four times the pictures, and the units."""
    return pd.DataFrame([one.model_dump() for one in found], columns=[*Growth.model_fields])


def _cheapest_first(prices: Sequence[P]) -> list[P]:
    models = list(dict.fromkeys((price.model, price.pictures) for price in prices))
    return sorted(prices, key=lambda price: (models.index((price.model, price.pictures)), price.ratio))
