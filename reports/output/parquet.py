"""The tidy tables as Parquet, for pandas, polars, DuckDB or R. Needs pyarrow."""

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
    """Give a table as the bytes of a Parquet file. Missing values are null."""
    return with_column_types(table).to_parquet(index=False)


def with_column_types(table: pd.DataFrame) -> pd.DataFrame:
    """Give every column the type of its values: `boolean` for truth values, float64 for numbers with gaps.

    A column without any value has the type float64. Numbers among texts become texts.

    >>> table = pd.DataFrame({"half": [None, 0.5], "noisy": [None, True]}, dtype=object)
    >>> with_column_types(table).dtypes.astype(str).tolist()
    ['float64', 'boolean']
    """
    kinds = {name: _column_type(table[name]) for name in table.columns if table[name].dtype == object and len(table)}
    return table.astype({name: kind for name, kind in kinds.items() if kind})


def _column_type(column: "pd.Series[Any]") -> str:
    found = pd.api.types.infer_dtype(column, skipna=True)
    numbers = "integer", "floating", "mixed-integer-float", "decimal", "empty"
    return {"boolean": "boolean", "string": ""}.get(found, "float64" if found in numbers else "string")
