"""The house: small rooms, small files, short lists of arguments, and no local name that hides an imported one."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("harness", "reports", "criteria", "datasets", "models", "benchmarks")
MIRRORED = {"_batch_norm", "_conv2d"}  # `curvature/lecun.py`: they take what torch's own functions take
FILES = [file for folder in CODE for file in sorted((ROOT / folder).rglob("*.py"))]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(file: Path) -> Iterator[tuple[ast.Module, Function]]:
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield tree, node


def positional(function: Function) -> list[str]:
    arguments = function.args.posonlyargs + function.args.args
    return [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]


def outer_names(tree: ast.Module) -> set[str]:
    """Names that a module imports or defines."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
    return names


def local_names(function: Function) -> set[str]:
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | set(positional(function)) | {argument.arg for argument in function.args.kwonlyargs}


@pytest.mark.parametrize("folder", ["harness", "reports"])
def test_a_room_has_at_most_twenty_files(folder: str) -> None:
    rooms = Counter(file.parent.relative_to(ROOT).as_posix() for file in FILES if file.parts[len(ROOT.parts)] == folder)
    assert {room: count for room, count in rooms.items() if count > 20} == {}


def test_files_are_short() -> None:
    assert {str(f): n for f in FILES if (n := len(f.read_text().splitlines())) > 400} == {}


def test_functions_take_at_most_five_positional_arguments() -> None:
    many = [(str(f), node.name) for f in FILES for _, node in functions(f) if len(positional(node)) > 5]
    assert [one for one in many if one[1] not in MIRRORED] == []


def test_no_local_name_hides_an_imported_or_defined_one() -> None:
    hidden = [
        (file.relative_to(ROOT).as_posix(), node.name, name)
        for file in FILES
        for tree, node in functions(file)
        for name in local_names(node) & outer_names(tree)
    ]
    assert hidden == []
