"""What the README shows must work as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from prunebench.cli.app import app
from prunebench.cli.check import check_criteria
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import Registry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_criterion_of_the_readme_passes_the_contract_suite(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    plugin = tmp_path / "spread.py"
    plugin.write_text(source)
    text, passed = check_criteria((str(plugin),), False, ())
    assert passed, text
    assert source == (ROOT / "examples/spread.py").read_text()
    assert parse_method("spread:power=2", Registry((str(plugin),))).name == "spread:power=2"


def test_every_option_of_the_readme_exists() -> None:
    commands: Any = get_command(app)
    flags = [p for command in commands.commands.values() for p in command.params]
    known = {flag for option in flags for flag in (*option.opts, *option.secondary_opts)} | {"--benchmark-json"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert named <= known, named - known


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("kind", ["criteria", "datasets", "models"])
def test_names_in_the_table_of_choices_exist(kind: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| {kind} |"))
    registry = Registry(())
    known = {*getattr(registry, kind), "reg_obd", "dense_continued"}
    for name in re.findall(r"`([a-z]\w*)`", row):
        assert name in known, name


def test_every_criterion_is_described() -> None:
    text = (ROOT / "docs/criteria.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert rows >= set(Registry(()).criteria), set(Registry(()).criteria) - rows
    assert f"[{len(Registry(()).criteria)} of them]" in README
