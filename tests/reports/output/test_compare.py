from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.records.record import Record
from prunebench.reports.output.compare import compare_runs
from prunebench.reports.output.rendering import markdown
from prunebench.reports.results import gather_results


def test_a_run_against_itself_is_identical(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "taylor")))
    document, bad = compare_runs(results, results, 0.005)
    text = markdown(document)
    assert not bad
    assert "identical: 4 of 4 points" in text and "same packages, machine" in text
    assert "nan" not in text


def test_a_regression_is_named(make: SimpleNamespace) -> None:
    before = make.grid(("magnitude", "taylor"), range(5), (0.5,))
    after = [r for r in before if r.cell.criterion == "magnitude"]
    after += [make.record("taylor", s, accuracy=0.8 + 0.001 * s) for s in range(5)]
    document, bad = compare_runs(gather_results("x", before), gather_results("y", after), 0.005)
    assert bad
    assert "regressed: 1 of 2 points (taylor at 0.5)" in markdown(document)


def test_a_fall_that_cannot_be_tested_is_named_and_no_regression(make: SimpleNamespace) -> None:
    before, after = ([make.record("taylor", s, accuracy=a) for s in range(2)] for a in (0.75, 0.5))
    document, bad = compare_runs(gather_results("x", before), gather_results("y", after), 0.005)
    text = markdown(document)
    assert not bad
    assert "fell, too few seeds: 1 of 1 point (taylor at 0.5)" in text
    assert "-25.00 (all 2 equal) |     0.25 |        1 |" in text


def test_what_only_one_has_is_counted(make: SimpleNamespace) -> None:
    before, after = make.grid(("magnitude", "taylor"), (0,)), make.grid(("magnitude",), (0, 1))
    document, bad = compare_runs(gather_results("x", before), gather_results("y", after), 0.005)
    text = markdown(document)
    assert not bad
    assert "only in 'before', not compared: 2" in text and "only in 'after', not compared: 2" in text


def test_runs_that_removed_filters_and_blocks_are_different_tasks(make: SimpleNamespace) -> None:
    filters = make.grid(("magnitude",), (0, 1))
    blocks = [r.model_copy(update={"key": f"b{r.key}", "protocol": r.protocol | {"units": "blocks"}}) for r in filters]
    both = gather_results("both", [*filters, *blocks])
    text = markdown(compare_runs(both, gather_results("filters", filters), 0.005)[0])
    assert f"only in 'before', not compared: {len(blocks)}" in text and "only in 'after'" not in text
    with pytest.raises(UserError, match="tasks mnist x lenet5 before, mnist x lenet5, residual blocks after; run the"):
        compare_runs(gather_results("filters", filters), gather_results("blocks", blocks), 0.005)


def test_protocols_are_matched_by_their_options(make: SimpleNamespace) -> None:
    def cells(repair: str, accuracy: float) -> list[Record]:
        protocol = {"epochs": 30, "repair": repair}
        return [make.record("taylor", s, key=f"{repair}{s}", protocol=protocol, accuracy=accuracy) for s in (0, 1)]

    both = gather_results("both", [*cells("none", 0.8), *cells("bias", 0.9)])
    text = markdown(compare_runs(both, gather_results("one", cells("bias", 0.9)), 0.005)[0])
    assert "Protocol 1: repair = none. Protocol 2: repair = bias." in text
    assert "| mnist x lenet5 (protocol 2) |" in text and "identical: 1 of 1 point" in text
    assert "Nothing: same packages, machine" in text
    assert "only in 'before', not compared: 2" in text
    with pytest.raises(UserError, match=r"tasks .*run the same cells in both; .* Protocol 3: repair = least-squares"):
        compare_runs(both, gather_results("other", cells("least-squares", 0.9)), 0.005)
    broken = [
        make.failure("taylor", s, keep=0.5).model_copy(update={"protocol": r.protocol, "key": f"f{s}"})
        for s, r in enumerate(cells("bias", 0))
    ]
    after = gather_results("after", [*cells("none", 0.8), *broken])
    text = markdown(compare_runs(both, after, 0.005)[0])
    assert "identical: 1 of 2 points" in text and "failed now: 1 of 2 points" in text
    text, bad = compare_runs(gather_results("before", cells("none", 0.8)), after, 0.005)
    assert not bad
    document, _ = compare_runs(gather_results("x", cells("none", 0.8)), gather_results("y", cells("bias", 0.9)), 0.005)
    assert "option repair: 'none' -> 'bias'" in markdown(document)  # each has one protocol


def test_the_command_ends_with_1_on_a_regression(
    command: Callable[..., tuple[int, str, str]], make: SimpleNamespace, run_folder: Path, tmp_path: Path
) -> None:
    worse = [r.model_copy(update={"accuracy": r.accuracy.model_copy(update={"finetuned": 0.5})}) for r in make.grid()]
    after = make.folder(tmp_path / "after", worse)
    assert command("compare", run_folder, run_folder)[0] == 0
    code, out, _ = command("compare", run_folder, after)
    assert code == 1
    assert "regressed: 6 of 6 points" in out and "|" not in out and "#" not in out
    assert "| criterion" in command("compare", run_folder, after, "--markdown")[1]


def test_the_command_needs_two_folders(refused: Callable[..., str], run_folder: Path) -> None:
    assert "/nowhere: no such file or folder" in refused("compare", run_folder, "/nowhere")
    assert "Missing argument" in refused("compare", run_folder)
