"""`prunebench check` as the author of a plugin meets it: each outcome is one line, each code what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

from prunebench.cli.check import check_criteria
from prunebench.errors import UserError

SEVERAL = """
from prunebench import Criterion
def mine(weight, *, power=2.0):
    return weight.norm(dim=1) ** power
def wrong(weight):
    return weight.norm(dim=1)[1:]
MINE, WRONG = Criterion(mine), Criterion(wrong)
"""
FILES = {
    "several.py": SEVERAL,
    "minemore.py": SEVERAL.replace("mine", "more").replace("wrong", "bad"),
    "imports.py": "import nowhere_at_all",
    "function.py": "def f(weight):\n    return weight.sum(1)\n",
    "raises.py": (
        "from prunebench import Criterion\n"
        "def f(weight):\n    raise ValueError('one\\ntwo')\nCRITERION = Criterion(f)\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(text: str) -> set[str]:
    return {line[7:].partition(": ")[0] for line in text.splitlines()}


def test_what_a_check_prints() -> None:
    text, passed = check_criteria(("magnitude",), False, ())
    assert passed
    assert all(line.startswith("ok     magnitude: ") for line in text.splitlines())


def test_names_are_those_of_a_run(folder: Path) -> None:
    text, passed = check_criteria(("magnitude:p=1 reg_obd,l1+random", "mine:power=1"), False, ("several.py",))
    assert passed, text
    assert checked(text) == {"magnitude:p=1", "reg_obd", "l1+random", "mine:power=1"}
    assert "ok     reg_obd: regulariser: gradient at zero" in text.splitlines()
    assert "ok     l1+random: regulariser: gradient at zero" in text.splitlines()


def test_a_file_stands_for_its_criteria(folder: Path) -> None:
    text, passed = check_criteria(("several.py",), False, ("minemore.py",))
    assert checked(text) == {"mine", "wrong"}
    assert not passed
    (wrong,) = [line for line in text.splitlines() if line.startswith("FAILED wrong: scores chain")]
    assert wrong.endswith(": criterion 'wrong' on layer '0' gives scores of shape (5,), not (6,)")
    assert wrong.startswith("FAILED wrong: scores chain, is deterministic, ")  # one reason, once
    assert check_criteria((f"{folder}/several.py", "./several.py"), False, ())[0] == text


def test_options_behind_a_file_hold_for_its_criteria(folder: Path) -> None:
    (folder / "one.py").write_text(SEVERAL.partition("def wrong")[0] + "MINE = Criterion(mine)")
    assert checked(check_criteria(("one.py:power=1",), False, ())[0]) == {"mine:power=1"}
    with pytest.raises(UserError, match="unknown option 'powr' in 'mine'; did you mean 'power'"):
        check_criteria(("one.py:powr=1",), False, ())
    with pytest.raises(UserError, match="unknown option 'power' in 'wrong'"):
        check_criteria(("several.py:power=1",), False, ())


@pytest.mark.parametrize(
    ("names", "plugins", "message"),
    [
        (
            (),
            (),
            "nothing to check: give a criterion's name, a plugin file or --all; `prunebench list",
        ),
        (("magnitud",), (), "unknown criterion 'magnitud'; did you mean 'magnitude'"),
        (("magnitude:q=1",), (), "unknown option 'q' in 'magnitude'"),
        (("dense_continued",), (), "'dense_continued' is a control, which has no score to check; give a criterion"),
        (("shuffle:obd",), (), "'shuffle:obd' is a control"),
        (("nowhere.py",), (), "nowhere.py: no such file; give a criterion's name or a plugin file"),
        (("./folder",), (), "./folder: no such file"),
        (("function.py",), (), "function.py has no criterion; add a line such as CRITERION = Criterion("),
        (("imports.py",), (), "plugin imports.py cannot be loaded: ModuleNotFoundError: No module named 'nowhere_at"),
        (("mine",), ("imports.py",), "plugin imports.py cannot be loaded: ModuleNotFoundError"),
        (("magnitude",), ("absent.py",), "--plugin absent.py: no such file"),
    ],
)
def test_bad_input_is_said(folder: Path, names: tuple[str, ...], plugins: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as error:
        check_criteria(names, False, plugins)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_failed_check_is_one_line(folder: Path) -> None:
    text, passed = check_criteria(("raises.py",), False, ())
    assert not passed
    assert all(
        line.endswith("on layer '0' failed: ValueError: one two (raises.py:3)") for line in text.splitlines()[:1]
    )
    assert all(line.startswith("FAILED f: ") for line in text.splitlines())


@pytest.mark.parametrize(("name", "code"), [("several.py", 1), ("imports.py", 2), ("magnitude", 0)])
def test_the_command_ends_with_its_code_and_no_traceback(folder: Path, name: str, code: int) -> None:
    command = [sys.executable, "-c", "from prunebench.cli.main import main; main()", "check", name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("\n") == (code == 2)
