"""Write the pages of the reference that the program itself knows: its commands, and the files that a run leaves."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from typer.main import get_command

from prunebench.cli.app import app
from prunebench.records.files import DataFile
from prunebench.records.latency import Latency
from prunebench.records.record import Record

COMMANDS = """# Commands

Every command with its options, as `prunebench COMMAND --help` prints them. [Options](options.md) explains the options
of a run and shows complete commands.
"""
FILES = """# Files of results

A results folder holds one JSON file for each point, under `records/`. Timings are files of their own, under `timing/`.
The true labels of the test pictures stand once for each fingerprint, in `data/FINGERPRINT.json`.
The analysis of each network is kept in `analyses/`, to spare time; nothing is lost where that folder is deleted.
`merge` leaves it out, and a damaged file in it is made again.
An empty file `NAME.failed` beside a record marks a failed point. So a run knows from names alone what is finished.
All kinds are checked when they are read: an unknown field, a missing field or a value outside its limits is an error.
The error names the file and the field. A run computes
[damaged files](../explanation/reliability.md#damaged-files) again.

The tables are read off the JSON schema. `prunebench.Record.model_json_schema()` gives the whole of it.
"""
MODELS: dict[str, type[BaseModel]] = {"record": Record, "timing": Latency, "data": DataFile}
LIMITS = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
TINY, HUGE = 1e-10, 1e18  # limits that stand in a schema to refuse nonsense alone


def commands_page() -> str:
    """Describe every command: usage, arguments and options."""
    root: Any = get_command(app)
    run = {option.name for option in root.commands["run"].params}
    return COMMANDS + "".join(_command(path, command, run) for path, command in _commands(root, ""))


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path}{name} ")
        else:
            yield path + name, command


def _command(path: str, command: Any, run: set[str]) -> str:
    given = [one for one in command.params if not getattr(one, "hidden", False)]
    arguments = [one for one in given if one.param_type_name == "argument"]
    options = [one for one in given if one.param_type_name == "option"]
    shared = [one for one in options if one.name in run and path != "run"]
    many = len(shared) > 10
    listed = [one for one in options if not (many and one in shared)]
    usage = " ".join(["prunebench", path, *(_argument(one) for one in arguments), "[OPTIONS]" if options else ""])
    text = f"\n## {path}\n\n{_plain(command.help)}\n\n```\n{usage.rstrip()}\n```\n"
    if arguments:
        text += "\n" + "".join(f"- `{_argument(one)}`: {_plain(one.help)}\n" for one in arguments)
    if listed:
        text += "\n| option | default | what it does |\n|---|---|---|\n" + "".join(map(_option, listed))
    if many:
        text += f"\nAlso {len(shared)} [options of `run`](#run).\n"
    return text


def _argument(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper()
    return name + ("..." if argument.nargs != 1 else "")


def _option(option: Any) -> str:
    flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    value = option.default
    shown = "" if value in (None, "", False, (), []) or callable(value) else str(value)
    return f"| {flags} | {shown} | {_plain(option.help)} |\n"


def _plain(text: str | None) -> str:
    """Write a text of the help as Markdown in one line."""
    return " ".join((text or "").replace("\\[", "[").replace("|", "\\|").split())


def files_page() -> str:
    """Describe the fields of records and timings, with types and limits."""
    text = FILES
    for name, model in MODELS.items():
        schema = model.model_json_schema()
        text += f"\n## The {name}\n" + _fields(schema)
        for part, described in schema.get("$defs", {}).items():
            text += f"\n### {part}\n" + _fields(described)
    return text


def _fields(schema: dict[str, Any]) -> str:
    fields = schema.get("properties", {})
    about, meanings = _meanings(schema.get("description", ""), set(fields))
    text = f"\n{about}\n" if about else ""
    if not fields:
        return text
    text += "\n| field | type | limits | must be there | what it holds |\n|---|---|---|---|---|\n"
    for name, field in fields.items():
        needed = "yes" if name in schema.get("required", ()) else ""
        text += f"| `{name}` | {_type(field)} | {_limits(field)} | {needed} | {meanings.get(name, '')} |\n"
    return text


def _meanings(description: str, fields: set[str]) -> tuple[str, dict[str, str]]:
    """Split a docstring into what it says of the whole, and of each field: `macs, params: what they hold`."""
    about, *parts = re.split(r"(?:(?<=[.;])|^|\n)\s*(\w+(?:, \w+)*): ", _plain(description))
    meanings: dict[str, str] = {}
    for names, text in zip(parts[::2], parts[1::2], strict=True):
        if fields.issuperset(names.split(", ")):
            meanings |= dict.fromkeys(names.split(", "), text.strip().rstrip(";"))
        else:
            about += f" {names}: {text}"
    return about.strip(), meanings


def _type(field: dict[str, Any]) -> str:
    """Name a type in words, with links to the parts of a record."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if "enum" in field or "const" in field:
        return " or ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        parts = field.get("prefixItems") or [field.get("items", {})]
        return "list of " + ", ".join(_type(one) for one in parts)
    if field.get("type") == "object":
        values = [*field.get("patternProperties", {}).values(), field.get("additionalProperties")]
        return "object, each value: " + next((_type(one) for one in values if isinstance(one, dict)), "any")
    return str(field.get("type", "any"))


def _limits(field: dict[str, Any]) -> str:
    fields = [one for one in field.get("anyOf", [field]) if one.get("type") in ("number", "integer")]
    bounds = [(words, one[name]) for one in fields for name, words in LIMITS.items() if name in one]
    return ", ".join(
        "above 0" if 0 < value < TINY else words.format(f"{value:g}") for words, value in bounds if abs(value) < HUGE
    )


PAGES = {"commands.md": commands_page, "files.md": files_page}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (Path(__file__).parent / "reference" / name).write_text(write())
