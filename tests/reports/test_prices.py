import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.reports.document import Table
from prunebench.reports.prices import prices_section
from prunebench.reports.reading import read_results

OBD = {
    "criterion": "obd",
    "model": "lenet5",
    "needs": ["curvature"],
    "seconds": 0.03,
    "plain_seconds": 0.02,
    "ratio": 1.5,
    "peak_bytes": 3 * 2**20,
    "plain_peak_bytes": 2**21,
}
MAGNITUDE = {**OBD, "criterion": "magnitude", "needs": [], "seconds": 0.0002, "ratio": 0.01, "peak_bytes": None}


def benchmark(make: SimpleNamespace, path: Path, *prices: dict[str, Any]) -> Path:
    make.benchmark(path, [make.record()])
    data = json.loads(path.read_text())
    data["benchmarks"] += [{"name": "test_scoring", "extra_info": {"scoring": price}} for price in prices]
    path.write_text(json.dumps(data))
    return path


def test_from_the_benchmark_to_a_table(make: SimpleNamespace, tmp_path: Path) -> None:
    results = read_results(benchmark(make, tmp_path / "out.json", OBD, MAGNITUDE))
    _, table = prices_section(results.prices).blocks
    assert isinstance(table, Table) and table.caption == "lenet5"
    assert table.rows == (
        ("magnitude", "no data", "0.01", "0.0002", "0.02", "-", "2.0"),
        ("obd", "curvature", "1.50", "0.03", "0.02", "3.0", "2.0"),
    )


def test_without_them_the_section_says_where_they_come_from(make: SimpleNamespace, tmp_path: Path) -> None:
    (text,) = prices_section(read_results(benchmark(make, tmp_path / "out.json")).prices).blocks
    assert "pytest benchmarks/" in str(text)


def test_a_corrupt_one_is_refused(make: SimpleNamespace, tmp_path: Path) -> None:
    path = benchmark(make, tmp_path / "out.json", {"criterion": "obd"})
    with pytest.raises(UserError, match="corrupt cost of a score"):
        read_results(path)


def test_they_are_enough_for_a_report(make: SimpleNamespace, tmp_path: Path) -> None:
    path = benchmark(make, tmp_path / "out.json", OBD)
    data = json.loads(path.read_text())
    data["benchmarks"] = data["benchmarks"][-1:]
    path.write_text(json.dumps(data))
    results = read_results(path)
    assert (len(results.records), len(results.prices)) == (0, 1)
