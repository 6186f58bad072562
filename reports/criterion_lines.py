"""What the criteria of a report are, in a line each: from the results, else from this version's own criteria."""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from prunebench.records.names import base_names
from prunebench.reports.ordering import table_order
from prunebench.reports.results import Results

RENAMED = {"random_scores": "random"}  # files that are not called as their criterion is


def criterion_lines(results: Results) -> dict[str, str]:
    """Describe every criterion that the results name, in the order of the tables; empty where nothing is known."""
    cells = [record.cell for record in (*results.records, *results.failures)]
    expressions = {cell.criterion for cell in cells} | {one.cell.criterion for one in results.fidelity}
    expressions |= {price.criterion for price in results.prices}
    names = sorted({name for text in expressions for name in base_names(text)}, key=table_order)
    return {name: results.lines.get(name) or own_lines().get(name, "") for name in names}


@cache
def own_lines() -> dict[str, str]:
    """Read the first line of every file of `prunebench.criteria`, which is about one criterion, without running it."""
    spec = find_spec("prunebench.criteria")
    folders = map(Path, (spec and spec.submodule_search_locations) or ())
    files = sorted(path for folder in folders for path in folder.glob("[!_]*.py"))
    return {RENAMED.get(path.stem, path.stem): _first_line(path) for path in files}


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
