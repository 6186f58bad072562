"""The notebook's commands must exist; what they do is tested elsewhere."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prunebench.cli.app import app

NOTEBOOK = json.loads((Path(__file__).parents[1] / "examples/colab.ipynb").read_text())
CODE = ["".join(cell["source"]).replace("\\\n", " ") for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
COMMANDS = [line.removeprefix("!") for code in CODE for line in code.splitlines() if line.startswith("!")]


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_and_options_exist(command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "prunebench"
    result = CliRunner().invoke(app, [*arguments, "--help"])  # an unknown option is refused before the help is shown
    assert result.exit_code == 0, result.output


def test_its_python_is_python() -> None:
    for code in CODE:
        kept = [line for line in code.splitlines() if not line.startswith(("!", "%"))]
        compile("\n".join(kept), "notebook", "exec")
