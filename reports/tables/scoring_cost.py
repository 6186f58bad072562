"""The costs of scores as a tidy table."""

from collections.abc import Sequence

import pandas as pd

from prunebench.records.scoring_cost import ScoringCost

NO_DATA = "no data"  # what data-free criteria need
PEAKS = ("peak_bytes", "plain_peak_bytes")
COLUMNS = ("model", "pictures", "criterion", "evidence", "ratio", "seconds", "plain_seconds", *PEAKS)


def prices_table(prices: Sequence[ScoringCost]) -> pd.DataFrame:
    """One row per model, number of pictures and criterion, cheapest first: seconds, their ratio, peak bytes."""
    models = list(dict.fromkeys((price.model, price.pictures) for price in prices))
    ordered = sorted(prices, key=lambda price: (models.index((price.model, price.pictures)), price.ratio))
    rows = [price.model_dump() | {"evidence": ", ".join(price.needs) or NO_DATA} for price in ordered]
    return pd.DataFrame(rows, columns=[*COLUMNS])
