"""The tidy tables as Parquet, for those who read them with pandas, polars, DuckDB or R. Needs pyarrow."""

from importlib import import_module
from typing import Any

import pandas as pd

from prunebench.errors import UserError


def require_pyarrow() -> None:
    """Raise `UserError` where pyarrow is missing."""
    try:
        import_module("pyarrow")
    except ImportError:
        text = "--parquet needs pyarrow, which is not installed; pip install 'prunebench[parquet]'"
        raise UserError(text) from None


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Write a table as the bytes of a Parquet file; what is missing is null."""
    return with_column_types(table).to_parquet(index=False)


def with_column_types(table: pd.DataFrame) -> pd.DataFrame:
    """Give every column the type of its values: numbers that are missing in places are floats, truths `boolean`.

    A column in which every number is missing is one of floats.

    >>> with_column_types(pd.DataFrame({"half": [None, 0.5], "noisy": [None, True]}, dtype=object)).dtypes.astype(str).tolist()
    ['float64', 'boolean']
    """
    kinds = {name: _kind(table[name]) for name in table.columns if table[name].dtype == object and len(table)}
    return table.astype({name: kind for name, kind in kinds.items() if kind})


def _kind(column: "pd.Series[Any]") -> str:
    found = pd.api.types.infer_dtype(column, skipna=True)
    return {"boolean": "boolean", "string": ""}.get(found, "float64")
