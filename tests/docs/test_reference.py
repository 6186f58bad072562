"""The pages that the program writes about itself are current, and name everything."""

from pathlib import Path

import pytest
from typer.main import get_command

import prunebench
from prunebench.cli.app import app
from tests.conftest import load_script

DOCS = Path(__file__).parents[2] / "docs"


make_reference = load_script("docs/make_reference.py")


@pytest.mark.parametrize("page", make_reference.PAGES)
def test_a_written_page_is_current(page: str) -> None:
    written = (DOCS / "reference" / page).read_text()
    assert written == make_reference.PAGES[page](), "run: python docs/make_reference.py"


def test_every_command_has_a_section() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    names = {f"{name} {part}" for name, one in commands.items() for part in getattr(one, "commands", ())}
    names |= {name for name, one in commands.items() if not hasattr(one, "commands")}
    page = make_reference.commands_page()
    assert names == {line[3:] for line in page.splitlines() if line.startswith("## ")}


def test_options_and_arguments_are_described() -> None:
    page = make_reference.commands_page()
    power = page.partition("\n## power\n")[2].partition("\n## ")[0]
    assert "prunebench power SOURCE [OPTIONS]" in power
    assert "| `--difference` | 0.5 | difference to detect, in points of accuracy |" in power
    assert "| `--coupled`, `--no-coupled` |" in page.partition("\n## run\n")[2].partition("\n## ")[0]


def test_a_field_has_its_type_its_limits_and_its_meaning() -> None:
    page = make_reference.files_page()
    assert (
        "| `by_chance` | number | from 0, to 1 | yes | the overlap that random units of each group would have. |"
        in page
    )
    assert "| `predicted` | [Packed](#packed) |  | yes |" in page
    for name in prunebench.Record.model_fields:
        assert f"\n| `{name}` |" in page


def test_every_public_name_is_in_the_reference() -> None:
    page = (DOCS / "reference/api.md").read_text()
    assert [name for name in prunebench.__all__ if f"::: prunebench.{name}\n" not in page] == ["__version__"]
