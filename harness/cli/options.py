"""Options of a run for the command line and for pytest, read from the fields of `Spec`."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from prunebench.cli.defaults import family_defaults
from prunebench.errors import UserError
from prunebench.reports.named import Named
from prunebench.study.spec import Spec


@dataclass(frozen=True)
class RunOption:
    """One option. kind: text, list (may be repeated) or flag (also typed as `--no-NAME`).

    metavar: placeholder for the value in the help; None for a flag.
    """

    name: str
    kind: str
    help: str
    metavar: str | None = None

    @property
    def flag(self) -> str:
        """Option as typed: `--train-fraction`."""
        return "--" + self.name.replace("_", "-")

    @property
    def off(self) -> str:
        """Option that switches a flag off: `--no-coupled`."""
        return "--no-" + self.name.replace("_", "-")

    def value(self, given: Any) -> Any:
        """Convert all typed values of the option into the field's value; None where the option was not given."""
        if self.kind == "flag" or not given:
            return given if self.kind == "flag" else None
        if self.kind == "text" and len(given) > 1:
            raise UserError(f"{self.flag} is given {len(given)} times ({', '.join(given)}); give it once")
        if given == [""]:
            raise UserError(f"{self.flag} is empty; leave it out for the default")
        return given[0] if self.kind == "text" else given


def options() -> list[RunOption]:
    """List the options of a run."""
    result = []
    for name, field in Spec.model_fields.items():
        default = field.default
        kind = "list" if isinstance(default, tuple) else "text"
        if isinstance(default, bool):
            kind = "flag"
        shown = None if kind == "flag" else _metavar(name, field)
        result.append(RunOption(name, kind, _help(name, field).replace("[", r"\["), shown))
    return result


_METAVARS = {
    "seeds": "SEEDS",
    "rung_epochs": "EPOCHS",
    "keep": "KEEPS",
    "weights": "FILE",
    "device": "DEVICE",
    "address": "ADDRESS",
    "shard": "I/N",
    "plugin": "FILE",
}


def _metavar(name: str, field: FieldInfo) -> str:
    """Say what kind of value a field holds."""
    parts = {field.annotation, *get_args(field.annotation)}
    parts |= {inner for part in parts for inner in get_args(part) if isinstance(inner, type)}
    kinds = {float: "NUMBER", int: "INTEGER", Path: "FOLDER"}
    by_kind = next((word for kind, word in kinds.items() if kind in parts), "NAME")
    return _METAVARS.get(name) or ("NAMES" if isinstance(field.default, tuple) else by_kind)


def _help(name: str, field: FieldInfo) -> str:
    text = field.description or ""
    choices = [choice for part in get_args(field.annotation) for choice in get_args(part) or (part,)]
    choices = [choice for choice in choices if choice is not NoneType]
    if choices and all(isinstance(choice, str) for choice in choices):
        text += ": " + ", ".join(choices)
    default = field.default
    if isinstance(default, bool):
        return f"{text} (default: {'yes' if default else 'no'})"
    if default is None:
        return f"{text} (default: {family_defaults(name)})"
    if default in ("", ()):
        return text
    return f"{text} (default: {' '.join(default) if isinstance(default, tuple) else default})"


def values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run among all typed options."""
    return {option.name: option.value(given.get(option.name)) for option in options()}


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add all options of a run to a typer command, which receives them as keyword arguments."""
    many = list[str] | None  # a text, too, so that `RunOption.value` can refuse a text typed twice
    types: dict[str, Any] = {"text": many, "list": many, "flag": bool | None}
    return _with(command, {one.name: Annotated[types[one.kind], _typed(one)] for one in options()})


def with_options_of_points(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name points to a typer command, which receives them in lists: each is typed once at most."""
    told = {one.name: f"{one.name} of the point" for one in fields(Named)}
    told["keep"] += ", such as 0.5 or macs=0.5"
    many: Any = list[str] | None  # a text, too, so that one that is typed twice can be refused
    told["units"] = "what was removed: filters, blocks or weights"
    told["protocol"] = "protocol, where a task has several: as repair=bias, or its number in the report"
    types = {name: Annotated[many, typer.Option(f"--{name}", help=text, metavar="TEXT")] for name, text in told.items()}
    return _with(command, types)


def named_points(given: Mapping[str, Any]) -> Named:
    """Read the options that name points."""
    told = {name: typed for name, typed in given.items() if typed != [""]}  # an empty text means any
    return Named(**{name: RunOption(name, "text", "").value(typed) or "" for name, typed in told.items()})


def _with(command: Callable[..., None], added: Mapping[str, Any]) -> Callable[..., None]:
    """Put keyword-only options into the signature that typer reads. added: their types by name."""
    kind = inspect.Parameter.KEYWORD_ONLY
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    more = [inspect.Parameter(name, kind, default=None, annotation=one) for name, one in added.items()]
    parameters = [p.replace(kind=kind) for p in own] + more
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _typed(option: RunOption) -> Any:
    typed = f"{option.flag}/{option.off}" if option.kind == "flag" else option.flag
    return typer.Option(typed, help=option.help, metavar=option.metavar, show_default=False)


ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file with any of these options")]


def fraction(points: float, flag: str) -> float:
    """Convert points of accuracy into a fraction."""
    if not 0 < points < 100:
        raise UserError(f"{flag} {points:g}: not between 0 and 100; give points of accuracy such as 0.5")
    return points / 100
