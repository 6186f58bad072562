"""The commands of one notebook must exist; the other notebook is executed, cell by cell."""

import ast
import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from prunebench import Pruned, Results
from prunebench.cli.app import app
from prunebench.plugins.sources import MAIN

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = json.loads((EXAMPLES / "colab.ipynb").read_text())
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


def executed(cells: list[str]) -> list[Any]:
    """Execute cells as a notebook does, in a module without a file. Returns what each cell shows."""
    main = ModuleType(MAIN[0])
    shown = []
    for number, text in enumerate(cells):
        tree = ast.parse(text)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"<cell {number}>", "exec"), vars(main))
        shown.append(last and eval(compile(ast.Expression(last.value), f"<cell {number}>", "eval"), vars(main)))
    return shown


def test_the_notebook_of_an_own_network_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    book = json.loads((EXAMPLES / "own_network.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    shown = [value for value in executed(cells) if value is not None]
    tables = [value._repr_html_() for value in shown if isinstance(value, Results | Pruned)]
    assert len(tables) == 4 and all("%" in table for table in tables)
    assert "contrast" in tables[2] and "random" in tables[2]
    assert (tmp_path / "report/index.html") == shown[-1] and shown[-1].exists()
    (table,) = (value for value in shown if isinstance(value, pd.DataFrame) and "measured" in value)
    assert (table["measured"] > 0).all()
    assert (tmp_path / "pruned/weights.safetensors").is_file()
    assert all(cell["outputs"] == [] for cell in book["cells"] if cell["cell_type"] == "code")
