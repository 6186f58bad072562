"""What each criterion is, in one line, for readers of a report who have no access to its code."""

import ast
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prunebench.errors import printable
from prunebench.plugins.registry import Registry
from prunebench.records.names import base_names


def criterion_lines(expressions: Iterable[str], registry: Registry) -> dict[str, str]:
    """Describe every criterion that some expressions name.

    >>> criterion_lines(["scratch:random"], Registry())
    {'random': 'Random: the control that any criterion has to beat.'}
    """
    names = sorted({name for text in expressions for name in base_names(text) if name in registry.criteria})
    lines = {name: _line(name, registry) for name in names}
    return {name: line for name, line in lines.items() if line}


def _line(name: str, registry: Registry) -> str:
    """Take the first line of the file where the file is one criterion's, else of its score, else its source."""
    entry = registry.criteria[name]
    alone = sum(one.source == entry.source for one in registry.criteria.values()) == 1
    of_file = _first_line(entry.source) if alone and entry.source.is_file() else None
    texts = (of_file, entry.plugin.score.__doc__, entry.plugin.reference)
    found = next((text.strip() for text in texts if text and text.strip()), "")
    return printable(found.partition("\n")[0])


def _first_line(file: Path) -> str | None:
    with suppress(OSError, ValueError, SyntaxError):  # a file that was changed or removed after its import
        return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return None
