"""A new criterion passes the check, its own example and the linter as it is written, and spoils nothing."""

import ast
import doctest
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from prunebench.cli.check import check_criteria
from prunebench.cli.new import STARTS, new_criterion
from prunebench.errors import UserError
from prunebench.plugins.registry import Registry

RULES = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.parametrize("evidence", STARTS)
def test_what_is_written_is_a_criterion(tmp_path: Path, evidence: str) -> None:
    said = new_criterion("mine", tmp_path / "new", evidence)
    path = tmp_path / "new" / "mine.py"
    text, passed = check_criteria((str(path),), False, ())
    assert passed, text
    assert evidence in Registry((str(path),)).criteria["mine"].plugin.evidence  # type: ignore[union-attr]
    spec = spec_from_file_location("mine", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    tried = doctest.testmod(module)
    assert (tried.attempted, tried.failed) == (2, 0)
    assert f"prunebench check {path}\n" in said
    assert all(len(line) <= 120 for line in path.read_text().splitlines())
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.skipif(shutil.which("ruff") is None, reason="needs ruff")
@pytest.mark.parametrize("evidence", STARTS)
def test_what_is_written_is_in_the_house_style(tmp_path: Path, evidence: str) -> None:
    new_criterion("mine", tmp_path, evidence)
    for command in (("check",), ("format", "--check")):
        given = ["ruff", *command, "--no-cache", "--config", str(RULES), str(tmp_path / "mine.py")]
        done = subprocess.run(given, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my-score", "'my-score' cannot be the name of a new criterion: use lower-case letters, digits and _"),
        ("1st", "use lower-case letters"),
        ("Mine", "use lower-case letters"),
        ("", "use lower-case letters"),
        ("a/b", "use lower-case letters"),
        ("lambda", "use lower-case letters"),
        ("__main__", "use lower-case letters"),
        ("shuffle", "PruneBench reserves this word"),
        ("reg_obd", "PruneBench reserves this word"),
        ("grad", "PruneBench reserves this word"),
        ("taylor", "prunebench.criteria.taylor defines one"),
        ("statistics", "Python has a module 'statistics', which the file would hide"),
        ("torch", "Python has a module 'torch'"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        new_criterion(name, tmp_path)
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("mine")
    with pytest.raises(UserError, match=r"mine\.py already exists; choose another name or folder"):
        new_criterion("mine", tmp_path)
    assert (tmp_path / "mine.py").read_text() == "mine"
    with pytest.raises(UserError, match=r"file/mine\.py: cannot be written: "):
        (tmp_path / "file").touch()
        new_criterion("mine", tmp_path / "file")
    with pytest.raises(UserError, match="unknown evidence 'hessian' in --evidence; known: activation, curvature, "):
        new_criterion("mine", tmp_path, "hessian")


def test_from_the_command_line(
    command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = command("new", "criterion", "mine", "--evidence", "grad")
    assert code == 0 and "  prunebench check mine.py\n" in out
    assert (tmp_path / "mine.py").exists()
    text = "prunebench: error: unknown kind 'criterium'; did you mean 'criterion'? Known: criterion\n"
    assert command("new", "criterium", "other") == (2, "", text)
