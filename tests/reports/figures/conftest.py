"""Results whose figures are drawn in several tests."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from prunebench.records.record import Record
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.analysis.answers import find_answers
from prunebench.reports.figures.drawing import Drawing, configured, svg_text
from prunebench.reports.figures.drawings import all_drawings
from prunebench.reports.figures.inline import inline_svg
from prunebench.reports.output.all_tables import make_tables
from prunebench.reports.results import gather_results

METHODS = ("magnitude", "taylor", "obd", "random", "dense_continued", "shuffle:taylor", "scratch:magnitude")
MILLISECONDS = ["task", "ranking", "metric", "keep", "criterion", "dense_ms", "pruned_ms"]


def rename_task(records: list[Record], dataset: str) -> list[Record]:
    """The same records on another dataset."""
    return [
        r.model_copy(update={"key": dataset + r.key, "cell": r.cell.model_copy(update={"dataset": dataset})})
        for r in records
    ]


@pytest.fixture(scope="session")
def usual(make: SimpleNamespace) -> list[Record]:
    """Seven criteria, seven seeds, two keeps, local ranking, and three of them under global ranking."""
    records: list[Record] = make.grid(METHODS, range(7))
    return records + list(make.grid(("magnitude", "obd", "random"), range(7), (0.5, 0.25), "global"))


@pytest.fixture(scope="session")
def tables(make: SimpleNamespace, usual: list[Record]) -> dict[str, pd.DataFrame]:
    """The tables of the usual records, with the milliseconds in the summary."""
    results = gather_results("x", usual, [make.latency(record) for record in usual])
    found = make_tables(results, compare_across_tasks(results))
    summary = found["summary"].drop(columns=["dense_ms", "pruned_ms"], errors="ignore")
    return found | {"summary": summary.merge(found["speed"][MILLISECONDS], how="left")}


@pytest.fixture(scope="session")
def drawings(tables: dict[str, pd.DataFrame]) -> dict[str, Drawing]:
    """The figures of the usual records by name."""
    answers = find_answers(tables["summary"], tables["differences"])
    return {
        drawing.name: drawing for drawing in all_drawings(tables, [], answers, 0.005, ("imaginary", "eager", 64, 1))
    }


@pytest.fixture(scope="session")
def page_text() -> Callable[[Drawing, int], str]:
    """Draw one chart as the page shows it."""

    def draw(drawing: Drawing, number: int = 0) -> str:
        return inline_svg(svg_text(configured(drawing.charts[number][1])), drawing.name, drawing.title)

    return draw


def described_rows(drawing: Drawing, number: int = 0) -> dict[str, dict[str, Any]]:
    """Rows of the symbols and bars of a chart, by their words; of marks that share them, the first."""
    layers = drawing.charts[number][1]["layer"]
    marks = [one for one in layers if one["mark"]["type"] in ("point", "rect") and "description" in one["encoding"]]
    return {row["words"].partition("|")[2]: row for one in reversed(marks) for row in one["data"]["values"]}


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., dict[str, dict[str, Any]]]:
    """See `described_rows`."""
    return described_rows
