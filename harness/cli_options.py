"""The options of a run, read off `Spec` once, for the command line and for pytest."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from prunebench.errors import UserError
from prunebench.spec import Spec


@dataclass(frozen=True)
class Option:
    """One option. kind: text, list (may be repeated), on or off (flags)."""

    name: str
    kind: str
    help: str

    @property
    def flag(self) -> str:
        """How it is typed: `--train-fraction`, `--no-coupled`."""
        return ("--no-" if self.kind == "off" else "--") + self.name.replace("_", "-")

    @property
    def metavar(self) -> str | None:
        """What stands for its value in the help; a flag has none."""
        return {"text": "VALUE", "list": "NAMES"}.get(self.kind)

    def value(self, given: Any) -> Any:
        """Turn what was typed into the field's value; None when the option was not given."""
        if self.kind in ("on", "off"):
            return (self.kind == "on") if given else None
        if given == "" or given == [""]:
            raise UserError(f"{self.flag} is empty; leave it out for the default")
        return given or None


def options() -> list[Option]:
    """List the options of a run."""
    result = []
    for name, field in Spec.model_fields.items():
        default = field.default
        kind = "list" if isinstance(default, tuple) else "text"
        if isinstance(default, bool):
            kind = "off" if default else "on"
        text = _help(field).replace("[", r"\[")
        if kind == "off":
            text = f"do not {text}"
        result.append(Option(name, kind, text))
    return result


def _help(field: FieldInfo) -> str:
    """Say what an option is, what it may be and what it is by default."""
    text = field.description or ""
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        text += ": " + ", ".join(choices)
    default = field.default
    if isinstance(default, bool) or default in (None, "", ()):
        return text
    return f"{text} (default: {' '.join(default) if isinstance(default, tuple) else default})"


def values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the options of a run out of what was typed."""
    return {option.name: option.value(given.get(option.name)) for option in options()}


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a typer command all options of a run; they reach it as keyword arguments."""
    types: dict[str, Any] = {"text": str | None, "list": list[str] | None, "on": bool, "off": bool}
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if option.kind in ("on", "off") else None,
            annotation=Annotated[
                types[option.kind], typer.Option(option.flag, help=option.help, metavar=option.metavar)
            ],
        )
        for option in options()
    ]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + added
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file with any of these options")]
