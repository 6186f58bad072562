"""The public face: what `prunebench` gives, what editors see of it, and that the two agree."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import prunebench


def typed() -> dict[str, str]:
    """Read the names that type checkers see, each with its module, off the source."""
    tree = ast.parse(Path(prunebench.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {a.name: str(n.module) for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}


def test_every_public_name_is_there_and_typed() -> None:
    assert set(prunebench.__all__) == {*typed(), "__version__"}
    for name, module in typed().items():
        assert getattr(prunebench, name) is getattr(import_module(module), name)


def test_completion_lists_the_public_names() -> None:
    assert dir(prunebench) == sorted(prunebench.__all__)


def test_a_name_that_does_not_exist_is_said() -> None:
    with pytest.raises(AttributeError, match="module 'prunebench' has no attribute 'Criterium'"):
        prunebench.Criterium  # noqa: B018


def test_importing_does_not_import_torch() -> None:
    code = "import sys, prunebench; dir(prunebench); prunebench.Record; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
