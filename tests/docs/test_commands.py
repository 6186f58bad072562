"""Commands on the pages, and in the workflow to copy, name commands and options that exist."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from prunebench.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
COMMANDS: Any = get_command(app)
WORKFLOW = ROOT / "examples/compare-commits.yml"


def flags(command: Any) -> set[str]:
    return {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)} | {"--help"}


def commands(text: str) -> list[str]:
    """Find the commands in shell blocks, without comments; a line that ends in a backslash goes on."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("prunebench ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for line in commands(page.read_text()):
        _, name, *words = shlex.split(re.sub(r"\$O\b", "", line), comments=True)
        command = COMMANDS.commands[name]
        if hasattr(command, "commands"):
            command = command.commands[words[0]]
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= flags(command), line


def test_the_guide_shows_the_workflow_as_it_is() -> None:
    assert f"```yaml\n{WORKFLOW.read_text()}```" in (ROOT / "docs/how-to/compare-commits.md").read_text()


def test_the_options_of_the_workflow_are_those_of_a_run(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folded,) = re.findall(r"OPTIONS: >-\n((?:    .*\n)+)", WORKFLOW.read_text())
    source = (ROOT / "examples/spread.py").read_text().replace("def spread", "def mine").replace("(spread)", "(mine)")
    (tmp_path / "criterion.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    code, out, err = command("run", *shlex.split(folded), "--dry-run")
    assert (code, err) == (0, "")
    assert "18 trajectories x 2 keeps" in out
