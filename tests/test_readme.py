"""What the README and the page of options show must work as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from prunebench.cli.app import app
from prunebench.cli.check import check_criteria
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import Registry
from prunebench.study.spec import Spec

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
OPTIONS = (ROOT / "docs/reference/options.md").read_text()
COMMANDS: Any = get_command(app)


def flags(command: Any) -> set[str]:
    return {flag for option in command.params for flag in (*option.opts, *option.secondary_opts) if flag[:2] == "--"}


def written(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))


def test_the_criterion_of_the_readme_passes_the_contract_suite(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    plugin = tmp_path / "spread.py"
    plugin.write_text(source)
    text, passed = check_criteria((str(plugin),), False, ())
    assert passed, text
    assert source == (ROOT / "examples/spread.py").read_text()
    assert parse_method("spread:power=2", Registry((str(plugin),))).name == "spread:power=2"


@pytest.mark.parametrize("text", [README, OPTIONS], ids=["README", "options"])
def test_every_option_and_command_that_is_named_exists(text: str) -> None:
    known = {"--benchmark-json", "--help", "--version"}
    known |= {flag for command in COMMANDS.commands.values() for flag in flags(command)}
    assert written(text) <= known, written(text) - known
    named = set(re.findall(r"^prunebench (\w+)", text, re.MULTILINE))
    assert named <= set(COMMANDS.commands), named - set(COMMANDS.commands)


def test_the_page_of_options_names_every_command_and_every_option_of_a_run() -> None:
    assert set(re.findall(r"^prunebench (\w+)", OPTIONS, re.MULTILINE)) == set(COMMANDS.commands)
    table = written(OPTIONS.partition("## Every option")[2].partition("## From Python")[0])
    assert table == flags(COMMANDS.commands["run"]) - {"--help"}


def test_defaults_on_the_page_of_options_are_those_of_a_run() -> None:
    section = OPTIONS.partition("## Every option")[2].partition("## From Python")[0]
    for names, defaults in re.findall(r"^\| (`--[^|]*) \| ([^|]*) \|", section, re.MULTILINE):
        fields = [Spec.model_fields.get(name[2:].replace("-", "_")) for name in re.findall(r"`([^`]*)`", names)]
        values = [field.default for field in fields if field is not None]
        if not defaults.strip() or not re.match(r"[`\d]|yes|no", defaults) or None in values:
            continue
        for value, told in zip(values, defaults.replace("`", "").split(", "), strict=False):
            if isinstance(value, bool):
                assert told == ("yes" if value else "no"), names
            else:
                assert told == (" ".join(value) if isinstance(value, tuple) else str(value)), names


@pytest.mark.parametrize("kind", ["criteria", "datasets", "models"])
def test_names_in_the_table_of_choices_exist(kind: str) -> None:
    row = next(line for line in OPTIONS.splitlines() if line.startswith(f"| {kind} |"))
    registry = Registry(())
    known = {*getattr(registry, kind), "reg_obd", "dense_continued"}
    for name in re.findall(r"`([a-z]\w*)`", row):
        assert name in known, name


def test_every_criterion_is_described() -> None:
    text = (ROOT / "docs/explanation/criteria.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert rows >= set(Registry(()).criteria), set(Registry(()).criteria) - rows
    assert f"[{len(Registry(()).criteria)} of them]" in OPTIONS
