"""The tutorial, from top to bottom: its files are written, its commands run, and what they print stands on the page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs/tutorial/first-report.md").read_text()
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"python": ["-P"], "prunebench": ["-P", "-m", "prunebench"]}


def _run(arguments: list[str], folder: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def _without_results(line: str) -> str:
    """Blot out accuracies and intervals, which differ between CPUs."""
    return " ".join(re.sub(r"[+-]?\d+\.\d\d\b", "#", line).split())


@pytest.mark.timeout(600)  # it starts eleven programs
def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path) -> None:
    printed = ""
    for kind, title, block in BLOCK.findall(TEXT):
        if kind == "sh":
            commands = [line.split() for line in block.splitlines()]
            printed = "".join(_run([*PROGRAMS[name], *rest], tmp_path) for name, *rest in commands)
        elif kind == "text":
            shown = _without_results if title else str
            lines = {shown(line) for line in printed.splitlines()}
            assert [line for line in block.splitlines() if shown(line) not in lines] == [], printed
        elif title:
            (tmp_path / title).write_text(block)
        else:
            printed = _run(["-P", "-c", block], tmp_path)
    assert (tmp_path / "report/index.html").is_file()
    report = (tmp_path / "report/report.md").read_text()
    assert "6 seeds" in report
    assert "`taylor`" in report
    assert "demonstration" not in report.lower()
    assert (tmp_path / "small/network.py").is_file()
