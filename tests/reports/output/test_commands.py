"""The commands that read records: `report`, `power`, `compare`; typed right and wrong."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.cli import app as cli

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Main:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prunebench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        found = capsys.readouterr()
        return int(stop.value.code or 0), found.out, found.err

    return run


@pytest.fixture
def folder(make: SimpleNamespace, tmp_path: Path) -> Path:
    path: Path = make.folder(tmp_path / "results", make.grid(("magnitude", "taylor", "random"), range(4)))
    return path


def test_the_margin_reaches_the_tables(main: Main, folder: Path, tmp_path: Path) -> None:
    assert main("report", folder, "-o", tmp_path / "report", "--margin", "2")[0] == 0
    assert set(pd.read_csv(tmp_path / "report" / "margins.csv")["margin"]) == {0.02}
    assert "lies above -2 points" in (tmp_path / "report" / "report.md").read_text()


def test_power(main: Main, folder: Path) -> None:
    code, out, _ = main("power", folder, "--difference", "1", "--power", "0.9")
    assert code == 0
    assert "difference of 1 points with a power of 90%" in out and "| taylor " in out


def test_compare_ends_with_1_on_a_regression(main: Main, make: SimpleNamespace, folder: Path, tmp_path: Path) -> None:
    worse = [r.model_copy(update={"accuracy": r.accuracy.model_copy(update={"finetuned": 0.5})}) for r in make.grid()]
    after = make.folder(tmp_path / "after", worse)
    assert main("compare", folder, folder)[0] == 0
    code, out, _ = main("compare", folder, after)
    assert code == 1
    assert "regressed: 6 of 6 points" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "{}", "--margin", "0"], "--margin 0: not between 0 and 100; give points of accuracy such as 0.5"),
        (["report", "{}", "--margin", "nan"], "--margin nan: not between"),
        (["power", "{}", "--difference", "-1"], "--difference -1: not between"),
        (["power", "{}", "--power", "1"], "--power 1: not between 0 and 1"),
        (["power", "/nowhere"], "/nowhere: no such file or folder"),
        (["compare", "{}", "/nowhere"], "/nowhere: no such file or folder"),
        (["compare", "{}"], "Missing argument"),
    ],
)
def test_typed_wrong(main: Main, folder: Path, arguments: list[str], message: str) -> None:
    code, out, err = main(*(folder if argument == "{}" else argument for argument in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("prunebench: error: ") and message in err
    assert err.count("\n") == 1
