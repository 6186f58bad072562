"""The tutorial, from top to bottom: its files are written, its commands run, and what they print stands on the page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs/tutorial/first-report.md").read_text()
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _run(line: str) -> str:
    """Run a line as a reader does, each in a process of its own."""
    program, *words = line.split()
    assert program in ("python", "prunebench")
    return _python(*(["-m", "prunebench"] if program == "prunebench" else []), *words)


def _python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-P", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def _words(line: str, blot: bool) -> list[str]:
    """Split a line into words, without the frames of tables. blot: take out accuracies, which differ between CPUs."""
    return re.sub(r"[+-]?\d+\.\d\d\b" if blot else r"^$", "#", line).replace("|", " ").split()


@pytest.mark.timeout(600)  # it trains six networks
def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = ""
    for kind, title, block in BLOCK.findall(TEXT):
        if kind == "sh":
            printed = "".join(map(_run, block.splitlines()))
        elif kind == "text":
            lines = [_words(line, bool(title)) for line in printed.splitlines()]
            assert [line for line in block.splitlines() if _words(line, bool(title)) not in lines] == [], printed
        elif title:
            Path(title).write_text(block)
        else:
            printed = _python("-c", block)
    report = Path("report/report.md").read_text()
    assert "6 seeds" in report
    assert "`taylor`" in report
    assert "demonstration" not in report.lower()
    assert Path("report/index.html").is_file()
    assert Path("small/network.py").is_file()
