import csv
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.reports.output.parquet import with_column_types
from prunebench.reports.output.writing import write_report
from prunebench.reports.results import Results, gather_results

NAMES = ("records", "summary", "differences", "speed", "widths", "stages")


def listed(table: pd.DataFrame) -> dict[str, list[object]]:
    """Give every column's values, None where one is missing."""
    return {str(name): table[name].astype(object).where(table[name].notna(), None).tolist() for name in table}


def values(cells: list[str]) -> list[object]:
    """Read a column of a CSV file: whole numbers, numbers, truths or texts; None for `n/a`."""
    for kind in (int, float, {"True": True, "False": False}.__getitem__):
        with suppress(ValueError, KeyError):
            return [None if cell == "n/a" else kind(cell) for cell in cells]
    return [None if cell == "n/a" else cell for cell in cells]


def read_csv(path: Path) -> dict[str, list[object]]:
    with path.open(newline="") as file:
        return {name: values(cells) for name, *cells in zip(*csv.reader(file), strict=True)}


@pytest.fixture(scope="module")
def results(make: SimpleNamespace) -> Results:
    """A grid with gaps: one seed in one ranking, one criterion not timed, one failed."""
    records = [*make.grid(("magnitude", "l1", "random")), *make.grid(("magnitude",), (0,), (0.5,), "global")]
    timings = [make.latency(record) for record in records if record.cell.criterion != "l1"]
    return gather_results("x", [*records, make.failure("obd")], timings)


def test_columns_get_the_type_of_their_values() -> None:
    table = pd.DataFrame(
        {
            "half": [None, 0.5, float("nan")],
            "never": [None, None, None],
            "whole": [1, None, 2.0],
            "noisy": [True, None, float("nan")],
            "text": ["a", None, "b"],
        },
        dtype=object,
    ).assign(n=[1, 2, 3], all=[True, False, True])
    assert {name: str(kind) for name, kind in with_column_types(table).dtypes.items()} == {
        "half": "float64",
        "never": "float64",
        "whole": "float64",
        "noisy": "boolean",
        "text": "object",
        "n": "int64",
        "all": "bool",
    }
    assert with_column_types(table).isna().sum().tolist() == [2, 3, 1, 2, 1, 0, 0]


def test_the_tables_come_back(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    paths = write_report(results, tmp_path, columnar=True)
    assert {tmp_path / f"{name}.parquet" for name in NAMES} <= set(paths)
    for path in tmp_path.glob("*.csv"):
        assert listed(pd.read_parquet(path.with_suffix(".parquet"))) == read_csv(path), path


def test_what_is_missing_is_null_and_types_are_those_of_the_values(results: Results, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_report(results, tmp_path, columnar=True)
    for name in NAMES:
        table = parquet.read_table(tmp_path / f"{name}.parquet")
        for column, found in read_csv(tmp_path / f"{name}.csv").items():
            kinds = {type(value) for value in found if value is not None} or {float}
            allowed = {str: ("string", "large_string"), bool: ("bool",), float: ("double",), int: ("int64", "double")}
            assert str(table.schema.field(column).type) in allowed[kinds.pop()], (name, column)
            assert table[column].null_count == found.count(None), (name, column)
    summary = parquet.read_table(tmp_path / "summary.parquet")
    assert summary["measured"].null_count == 2  # l1, at two keeps
    assert summary["noisy"].null_count == 2
    assert summary["accuracy_finetuned_half"].null_count == 1  # one seed


def test_tables_without_rows(make: SimpleNamespace, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write_report(gather_results("x", [make.failure()]), tmp_path, columnar=True)
    assert [len(pd.read_parquet(tmp_path / f"{name}.parquet")) for name in NAMES] == [0] * len(NAMES)


def test_without_pyarrow(
    refused: Callable[..., str], run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # importing it fails
    text = "--parquet needs pyarrow, which is not installed; pip install 'prunebench[parquet]'\n"
    assert refused("report", run_folder, "-o", tmp_path / "out", "--parquet").endswith(f"error: {text}")
    assert not (tmp_path / "out").exists()


def test_numbers_among_texts_become_texts() -> None:
    table = pd.DataFrame({"epochs": [1, "3,2,1"], "rate": [0.3, "swept"], "number": [1, 0.5]}, dtype=object)
    assert listed(with_column_types(table)) == {
        "epochs": ["1", "3,2,1"],
        "rate": ["0.3", "swept"],
        "number": [1.0, 0.5],
    }
