"""Docstrings on the site: examples are code, fields are a list, and the rest stays as it is."""

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def docstrings(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("griffe")
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "docs")
    import docstrings  # type: ignore[import-not-found]

    return docstrings  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("One line.", "One line."),
        (
            "A cost. macs: of one picture. bytes, params: of weights.",
            "A cost.\n\n- `macs`: of one picture.\n- `bytes`, `params`: of weights.",
        ),
        ("macs: a.\nbytes: b.", "- `macs`: a.\n- `bytes`: b."),
        ("macs: a. Note: b.", "- `macs`: a. Note: b."),
        ("Note: b. macs: a.", "Note: b.\n\n- `macs`: a."),
        ("Args:\n    macs: a. More.", "Args:\n    macs: a. More."),
        (">>> 1 + 1\n2\n\nMore.", "```pycon\n>>> 1 + 1\n2\n```\n\nMore."),
    ],
)
def test_examples_and_fields_are_shown_as_such(docstrings: ModuleType, text: str, shown: str) -> None:
    assert docstrings.shown(text, {"macs", "bytes", "params"}) == shown
