"""Show docstrings as this project writes them: examples stand in the text, and fields within a paragraph."""

import re
from typing import Any

from griffe import Class, Extension, Function, Object

FIELD = re.compile(r"(?:^|(?<=[.;]) |(?<=[.;])\n)((?:\w+, )*\w+): ")


class Docstrings(Extension):
    """Rewrite every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring:
            names = {one.name for one in obj.parameters} if isinstance(obj, Function) else set(obj.members)
            if isinstance(obj, Class):
                names |= {one.name for one in obj.parameters}
            obj.docstring.value = shown(obj.docstring.value, names)


def shown(text: str, names: set[str]) -> str:
    """Fence the examples, and list the fields that a paragraph names, as in `macs: of one picture.`."""
    return "\n\n".join(_paragraph(part, names) for part in text.split("\n\n"))


def _paragraph(text: str, names: set[str]) -> str:
    if text.startswith(">>> "):
        return f"```pycon\n{text}\n```"
    before, *parts = FIELD.split(text)
    lines, items = [before] if before else [], list[str]()
    for given, meaning in zip(parts[::2], parts[1::2], strict=True):
        if names.issuperset(given.split(", ")):
            items.append(f"- {', '.join(f'`{name}`' for name in given.split(', '))}: {meaning}")
        elif items:
            items[-1] += f" {given}: {meaning}"
        else:
            lines.append(f"{given}: {meaning}")
    return "\n\n".join(filter(None, [" ".join(lines), "\n".join(items)]))
