import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.reports.combining import combine
from prunebench.reports.document import Table
from prunebench.reports.output.overview import overview
from prunebench.reports.output.writing import write_report
from prunebench.reports.reading import read_results
from prunebench.reports.sections.prices import prices_section
from prunebench.reports.tables.prices import growth_table, prices_table, repair_prices_table

OBD = {
    "criterion": "obd",
    "model": "lenet5",
    "needs": ["curvature"],
    "seconds": 1.5,
    "plain_seconds": 0.02,
    "ratio": 1.5,
    "pictures": 128,
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
    prices = prices_table(read_results(benchmark(make, tmp_path / "out.json", OBD, MAGNITUDE)).prices)
    assert prices["peak_bytes"].isna().tolist() == [True, False]
    _, table = prices_section(prices, repair_prices_table(()), growth_table(())).blocks
    assert isinstance(table, Table)
    assert table.caption == "lenet5, 128 pictures: scores, cheapest first."
    assert table.rows == (
        ("magnitude", "no data", "0.01", "0.20", "20.0", "-", "2.0"),
        ("obd", "curvature", "1.50", "1,500", "20.0", "3.0", "2.0"),
    )


def test_a_busy_machine_is_told(make: SimpleNamespace, tmp_path: Path) -> None:
    slow = {**MAGNITUDE, "plain_seconds": 0.025}
    prices = prices_table(read_results(benchmark(make, tmp_path / "out.json", OBD, slow)).prices)
    *_, note = prices_section(prices, repair_prices_table(()), growth_table(())).blocks
    assert "took up to 1.25 times its shortest time" in str(note)


def test_without_them_the_section_says_where_they_come_from(make: SimpleNamespace, tmp_path: Path) -> None:
    results = read_results(benchmark(make, tmp_path / "out.json"))
    tables = prices_table(results.prices), repair_prices_table(results.repair_prices), growth_table(results.growth)
    section = prices_section(*tables)
    assert "pytest benchmarks/" in section.why_empty and not section.blocks


def test_repairs_and_growth_have_tables_of_their_own(make: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    make.benchmark(path, [make.record()])
    data = json.loads(path.read_text())
    cost = {name: value for name, value in OBD.items() if name not in ("criterion", "needs")}
    grown = {"pictures": 3.96, "plain_pictures": 4.0, "units": 7.25, "plain_units": 9.0}
    extras = [
        {"repairing": {"repair": "least-squares", **cost}},
        {"repairing": {"repair": "bias", **cost, "ratio": 0.5}},
        {"growing": {"what": "repair", "name": "bias", **grown}},
    ]
    data["benchmarks"] += [{"name": "test_repair", "extra_info": extra} for extra in extras]
    path.write_text(json.dumps(data))
    results = combine([read_results(path), read_results(path)])
    assert (len(results.repair_prices), len(results.growth)) == (4, 2)
    results = read_results(path)
    assert not results.prices
    section = prices_section(prices_table(()), repair_prices_table(results.repair_prices), growth_table(results.growth))
    repairs, growth = (block for block in section.blocks if isinstance(block, Table))
    assert repairs.rows == (
        ("bias", "0.50", "1,500", "20.0", "3.0", "2.0"),
        ("least-squares", "1.50", "1,500", "20.0", "3.0", "2.0"),
    )
    assert growth.rows == (("repair", "bias", "4.0", "4.0", "7.2", "9.0"),)
    write_report(results, tmp_path / "report")
    assert "2 repairs on lenet5" in (tmp_path / "report" / "index.html").read_text()
    assert (tmp_path / "report" / "growth.csv").read_text().splitlines()[1] == "repair,bias,3.96,4.0,7.25,9.0"


@pytest.mark.parametrize(
    ("kind", "told"),
    [("scoring", "cost of a score"), ("repairing", "cost of a repair"), ("growing", "growth of a cost")],
)
def test_a_corrupt_one_is_refused(make: SimpleNamespace, tmp_path: Path, kind: str, told: str) -> None:
    path = benchmark(make, tmp_path / "out.json")
    data = json.loads(path.read_text())
    data["benchmarks"] += [{"name": "test_scoring", "extra_info": {kind: {"model": "lenet5"}}}]
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=f"corrupt {told}"):
        read_results(path)


def test_they_are_enough_for_a_report(make: SimpleNamespace, tmp_path: Path) -> None:
    path = benchmark(make, tmp_path / "out.json", OBD)
    data = json.loads(path.read_text())
    cpu = {"brand_raw": "Imaginary CPU", "count": 2}
    data["machine_info"] = {"cpu": cpu, "system": "Linux", "python_version": "3.12.1"}
    path.write_text(json.dumps(data | {"benchmarks": data["benchmarks"][-1:], "datetime": "2026-01-02T03:04:05"}))
    results = read_results(path)
    assert (len(results.records), len(results.prices)) == (0, 1)
    assert overview(results).startswith("costs alone: prunebench report ")
    write_report(results, tmp_path / "report")
    assert "| obd" in (tmp_path / "report" / "report.md").read_text()
    text = (tmp_path / "report" / "index.html").read_text()
    titles = re.findall(r"<h[23]>(.*)</h[23]>", text)
    assert [title for title in titles if title not in ("How to read this", "Glossary", "Failures and gaps")] == [
        "Cost of scores and repairs",
        "Pruned networks",
        "All numbers, and the method",
        "Where it was computed",
    ]
    assert "emonstration" not in text and "0 finished" not in text
    assert "benchmarks: Imaginary CPU, 2 cores, Linux, Python 3.12.1, 2026-01-02" in text
    assert "1 score on lenet5" in text and "There are none here" in text
    assert "Cost of scores and repairs. lenet5, 128 pictures" in (tmp_path / "report" / "tables.tex").read_text()
    assert (tmp_path / "report" / "prices.csv").read_text().splitlines()[1].startswith("lenet5,128,obd,curvature,1.5,")
