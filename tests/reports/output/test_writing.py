import csv
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.errors import UserError
from prunebench.records.requested import Requested, RequestedTrajectories
from prunebench.reports.output.writing import write_report
from prunebench.reports.reading import read_results
from prunebench.reports.results import gather_results

NAN = re.compile(r"\bnan\b|\bNaN\b|\bNone\b(?!:)")


class Balanced(HTMLParser):
    """Collects tags, and those that are closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]


@pytest.fixture(scope="module")
def folder(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a full grid: two rankings, controls, timings, a failure."""
    records = make.grid(("magnitude", "l0", "l1", "taylor", "random", "dense_continued", "scratch:magnitude"))
    records += make.grid(("magnitude", "taylor"), (0,), (0.5, 0.25), "global")
    timings = [make.latency(record) for record in records if record.cell.criterion != "l1"]
    where = tmp_path_factory.mktemp("report") / "new" / "folder"
    paths = write_report(gather_results("results", [*records, make.failure("obd")], timings), where)
    assert all(path.is_file() for path in paths)
    return where


def test_a_report_imports_no_distributions_of_scipy() -> None:
    code = "import sys, prunebench.reports.output.writing; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


def test_what_is_written(folder: Path, make: SimpleNamespace) -> None:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {path.stem for path in folder.glob("*.csv")} == set(make.tables(gather_results("x", [])))
    tables = {path.name for path in folder.glob("*.csv")}
    drawn = ("forest", "accuracy", "accuracy_params", "accuracy_ms", "smallest_keeps", "speed", "causes", "loss_curves")
    figures = {f"figures/{n}.{kind}" for n in drawn for kind in ("svg", "png")}
    assert names == {"report.md", "index.html", "tables.tex"} | tables | figures


def test_nothing_is_silently_missing(folder: Path) -> None:
    for path in [folder / "report.md", folder / "index.html", *folder.glob("*.csv")]:
        assert not NAN.search(path.read_text()), path
    for path in folder.glob("*.csv"):
        with path.open(newline="") as file:
            assert all(cell != "" for row in csv.reader(file) for cell in row), path


def test_the_answers_come_first_and_all_numbers_are_there(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "The answer",
        "Which criterion is better than the baseline?",
        "How large are the differences?",
        "How far can I go?",
        "How much can go without loss of accuracy?",
        "How much faster does it run?",
        "What caused it?",
        "Failures and gaps",
    ]
    page = (folder / "index.html").read_text()
    assert re.findall(r"<h3>(.*)</h3>", page) == [
        "All points",
        "Differences: mnist x lenet5, local ranking, keeps of MACs",
        "Differences: mnist x lenet5, global ranking, keeps of MACs",
        "Whole curves",
        "Pareto fronts",
        "Below random",
        "How sure the choices are",
        "Sparse training",
        "Loss curves",
        "Widths per layer",
        "Schedule",
        "How to read this",
        "Glossary",
        "Where it was computed",
    ]
    assert "seed 1, keep 0.25 MACs: loss diverged" in page
    assert "emonstration" not in text
    notes = page.partition('<div id="data">')[2].partition("<details")[0]
    assert "† achieved keeps differ" in notes


def test_the_page_is_whole_and_needs_nothing_else(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    parser = Balanced()
    parser.feed(text)
    assert parser.wrong == [] and parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert not re.search(r"<link|@import|src=|href=\"http", text)
    for reference in re.findall(r"url\(#([^)]*)\)|href=\"#([^\"]*)\"", text):
        assert "".join(reference) in parser.ids
    assert "prefers-color-scheme: dark" in text


def test_csv_holds_fractions(folder: Path) -> None:
    summary = pd.read_csv(folder / "summary.csv")
    assert summary["accuracy_finetuned"].between(0, 1).all()
    single = summary[summary["ranking"] == "global"]
    assert single["accuracy_finetuned_half"].isna().all()  # n = 1: `n/a` in the file


def test_quick_is_a_demonstration_without_verdict(make: SimpleNamespace, tmp_path: Path) -> None:
    results = read_results(make.benchmark(tmp_path / "out.json", make.grid(("magnitude", "random"), (0, 1))))
    write_report(results, tmp_path / "report")
    for name in ("report.md", "index.html"):
        text = (tmp_path / "report" / name).read_text()
        assert "Demonstration, not evidence" in text and "p = " not in text
        assert "no verdict: a demonstration (" in text and 'class=" better"' not in text


def test_a_report_of_cuts_says_at_its_head_that_nothing_was_trained(make: SimpleNamespace, tmp_path: Path) -> None:
    records = make.grid(("magnitude", "taylor"), (0, 1, 2))
    for trained, epochs, repair in (("yes", 10, {}), ("no", 0, {}), ("mended", 0, {"repair": "bias"})):
        protocol = {"epochs": 30, "rung_epochs": 0, "finetune_epochs": epochs} | repair
        given = [record.model_copy(update={"protocol": protocol}) for record in records]
        write_report(gather_results("x", given), tmp_path / trained)
        head = (tmp_path / trained / "report.md").read_text().partition("\n## ")[0]
        assert ("Nothing was trained after the cuts" in head) == (epochs == 0)
        assert ("'fine-tuned' is the network as repaired" in head) == bool(repair)


def test_names_are_escaped(make: SimpleNamespace, tmp_path: Path) -> None:
    failure = make.failure(reason="<b>|broken|</b>")
    write_report(gather_results("<i>", [make.record(), failure]), tmp_path)
    assert "<b>" not in (tmp_path / "index.html").read_text() and "<i>" not in (tmp_path / "index.html").read_text()


def test_failures_alone_make_a_report(make: SimpleNamespace, tmp_path: Path) -> None:
    write_report(gather_results("x", [make.failure()]), tmp_path)
    assert "loss diverged" in (tmp_path / "index.html").read_text()
    page = (tmp_path / "index.html").read_text()
    assert "0 finished, 1 failed" in page and "further to the right" not in page  # said of a figure


def test_points_of_an_interrupted_run_are_counted(make: SimpleNamespace, tmp_path: Path) -> None:
    cell = {"dataset": "mnist", "model": "lenet5", "criterion": "magnitude", "seeds": (0, 1, 2)}
    asked = Requested(ranking="local", metric="macs", keeps=(0.5,), trajectories=(RequestedTrajectories(**cell),))
    results = gather_results("x", [make.record("magnitude", 0, 0.5)])
    write_report(replace(results, asked=(asked,)), tmp_path)
    assert "1 finished, 0 failed, 2 not computed" in (tmp_path / "index.html").read_text()


def test_writing_twice_gives_the_same(make: SimpleNamespace, tmp_path: Path) -> None:
    results = gather_results("x", make.grid(("magnitude", "random"), (0, 1), (0.5,)))
    first, second = write_report(results, tmp_path / "a"), write_report(results, tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_folder_that_cannot_be_written(make: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written here"):
        write_report(gather_results("x", [make.record()]), tmp_path / "file" / "report")


def test_the_margin_of_the_command_reaches_the_tables(
    command: Callable[..., tuple[int, str, str]], run_folder: Path, tmp_path: Path
) -> None:
    assert command("report", run_folder, "-o", tmp_path / "report", "--margin", "2")[0] == 0
    assert set(pd.read_csv(tmp_path / "report" / "margins.csv")["margin"]) == {0.02}
    assert "lies above -2 points" in (tmp_path / "report" / "report.md").read_text()


def test_margins_of_the_command_are_points_of_accuracy(refused: Callable[..., str], run_folder: Path) -> None:
    message = "--margin 0: not between 0 and 100; give points of accuracy such as 0.5"
    assert message in refused("report", run_folder, "--margin", "0")
    assert "--margin nan: not between" in refused("report", run_folder, "--margin", "nan")


def test_the_language_of_the_command_is_that_of_the_page_alone(
    command: Callable[..., tuple[int, str, str]], refused: Callable[..., str], run_folder: Path, tmp_path: Path
) -> None:
    for lang in ("en", "fa"):
        assert command("report", run_folder, "-o", tmp_path / lang, "--lang", lang)[0] == 0
    for name in ("tables.tex", "summary.csv", "figures/forest.svg"):
        assert (tmp_path / "en" / name).read_bytes() == (tmp_path / "fa" / name).read_bytes()
    english, beside_persian = ((tmp_path / lang / "report.md").read_text() for lang in ("en", "fa"))
    assert " --lang fa\n" in beside_persian and beside_persian.replace(" --lang fa", "") == english
    assert '<html lang="en" dir="ltr">' in (tmp_path / "en" / "index.html").read_text()
    assert '<html lang="fa" dir="rtl">' in (tmp_path / "fa" / "index.html").read_text()
    message = refused("report", run_folder, "-o", tmp_path / "de", "--lang", "de")
    assert "unknown language 'de'; did you mean 'en'? Known: en, fa" in message
    assert not (tmp_path / "de").exists()
