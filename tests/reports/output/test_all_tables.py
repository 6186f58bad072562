"""Units and single weights of one task in one folder: never pooled, paired or ranked together, and no speed-up."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.records.record import Record
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.figures.accuracy import accuracy_drawing
from prunebench.reports.output.compare import compare_runs
from prunebench.reports.output.show import layer_table
from prunebench.reports.output.writing import write_report
from prunebench.reports.results import Results, gather_results
from prunebench.reports.tables.speed import speed_table

TASK, SINGLE = "mnist x lenet5", "mnist x lenet5, single weights"
WEIGHTS = {"conv1": 500, "conv2": 25_000, "fc1": 400_000, "fc2": 5_000}


def singly(record: Record) -> Record:
    """Turn a record into one of single weights, with the same share of every layer."""
    assert record.dense
    keep = record.cell.keep
    left = {layer: (dense, int(keep * dense)) for layer, dense in WEIGHTS.items()}
    params = record.dense.params - sum(dense - now for dense, now in left.values())
    return record.model_copy(
        update={
            "key": f"w-{record.key}",
            "cell": record.cell.model_copy(update={"metric": "weights"}),
            "weights": left,
            "widths": {layer: (dense, dense) for layer, (dense, _) in record.widths.items()},
            "pruned": record.dense.model_copy(update={"params": params}),
            "keep": {"macs": 1.0, "units": 1.0, "params": params / record.dense.params, "weights": keep},
            "floors": (),
        }
    )


@pytest.fixture(scope="module")
def results(make: SimpleNamespace) -> Results:
    units = make.grid(("magnitude", "taylor", "random", "dense_continued"), range(4))
    return gather_results("x", [*units, *map(singly, units)], [make.latency(record) for record in units])


def test_they_are_tasks_of_their_own_in_every_table(results: Results, make: SimpleNamespace) -> None:
    tables = make.tables(results)
    assert not results.notes  # one protocol
    for name in ("records", "summary", "differences", "causes", "margins", "areas", "fronts", "widths"):
        table = tables[name]
        assert set(table["task"]) == {TASK, SINGLE}, name
        if "metric" in table:
            assert set(zip(table["task"], table["metric"], strict=True)) == {(TASK, "macs"), (SINGLE, "weights")}, name
    assert set(tables["summary"]["n"]) == {4}
    assert set(tables["differences"]["n"]) == {4}


def test_units_read_as_they_do_alone(results: Results, make: SimpleNamespace) -> None:
    alone = make.tables(gather_results("x", [r for r in results.records if not r.weights], [*_latencies(results)]))
    both = make.tables(results)
    for name in ("summary", "differences", "areas", "speed", "fronts"):
        mine = both[name][both[name]["task"] == TASK].reset_index(drop=True)[alone[name].columns.tolist()]
        pd.testing.assert_frame_equal(mine, alone[name], check_dtype=False, check_exact=True, obj=name)


def _latencies(results: Results) -> list[object]:
    return [latency for found in results.latencies.values() for latency in found]


def test_curves_are_over_the_weights_kept(results: Results, make: SimpleNamespace) -> None:
    areas = make.tables(results)["areas"]
    own = areas[areas["task"] == SINGLE]
    assert set(own["from_keep"]) == {0.25} and set(own["to_keep"]) == {0.5}
    fronts = make.tables(results)["fronts"]
    assert set(fronts[fronts["task"] == SINGLE]["cost"]) == {"weights"}


def test_there_is_no_speed_up_of_any_kind(results: Results, make: SimpleNamespace) -> None:
    tables = make.tables(results)
    for name in ("records", "summary"):
        table = tables[name]
        assert table[table["task"] == SINGLE]["theoretical"].isna().all()
        assert table[table["task"] == TASK]["theoretical"].notna().all()
    assert set(speed_table(results)["task"]) == {TASK}


def test_two_structures_of_a_task_are_not_two_tasks(results: Results, make: SimpleNamespace) -> None:
    assert compare_across_tasks(results) == []
    other = [r.model_copy(update={"cell": r.cell.model_copy(update={"dataset": "other"})}) for r in results.records]
    other = [r.model_copy(update={"key": f"o-{r.key}"}) for r in other]
    entries = compare_across_tasks(gather_results("x", [*results.records, *other]))
    assert {(entry.metric, len(entry.scores)) for entry in entries} == {("macs", 2), ("weights", 2)}
    for entry in entries:
        single = {task.endswith(", single weights") for task in entry.scores.index}
        assert single == {entry.metric == "weights"}


def test_the_report_says_what_they_are(results: Results, tmp_path: Path) -> None:
    write_report(results, tmp_path)
    headline = (tmp_path / "report.md").read_text().partition("## The answer")[2].partition("\n## ")[0]
    (line,) = [line for line in headline.splitlines() if line.startswith(f"- {SINGLE}")]
    assert "of the weights" in line and "peed-up" not in line and "MACs" not in line
    assert "dense kernels compute the zeros, too" in (tmp_path / "index.html").read_text()


def test_a_report_of_units_says_nothing_of_them(results: Results, tmp_path: Path) -> None:
    write_report(gather_results("x", [r for r in results.records if not r.weights]), tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert "without structure" not in text and "dense kernels" not in text


def test_the_figure_names_its_axis(results: Results, make: SimpleNamespace) -> None:
    drawing = accuracy_drawing(make.tables(results)["summary"])
    assert drawing is not None
    text = str(drawing.charts)
    assert "'title': 'weights kept'" in text and "'title': 'MACs kept'" in text


def test_two_runs_compare_them_by_weights(results: Results) -> None:
    document, bad = compare_runs(results, results, 0.005)
    assert not bad
    assert {row[0] for block in document.sections[1].blocks for row in block.rows} == {TASK, SINGLE}  # type: ignore[union-attr]


def test_layer_table(results: Results) -> None:
    text = layer_table(next(r for r in results.records if r.weights and r.cell.criterion == "magnitude"))
    assert "keep 0.5 of weights" in text and "no speed-up on dense kernels" in text
    assert "fc1           400,000   200,000  50.0 %" in text
