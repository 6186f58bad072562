"""The gallery quotes reports: their answers, the commands that made them, their pictures."""

from pathlib import Path
from types import ModuleType

import pytest

from prunebench.cli.options import options


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "docs")
    import make_gallery  # type: ignore[import-not-found]

    return make_gallery  # type: ignore[no-any-return]


def test_an_entry_has_the_command_the_answer_and_the_picture(gallery: ModuleType) -> None:
    report = "# PruneBench report\n\n- tasks: a\n\n## The answer\n\n- `taylor` wins.\n\n## More\n\n- no\n"
    text = gallery.entry("covid", gallery.EXAMPLES["covid"], report)
    assert "\nprunebench run \\\n    --preset examples/papers/reg-obd-2021-corrected.toml \\\n" in text
    assert "\nThe report says:\n\n- `taylor` wins.\n\n[![" in text
    assert "(images/gallery-covid.png)](gallery/covid.html)" in text
    assert "- no" not in text


def test_an_answer_without_a_list_is_its_first_paragraph(gallery: ModuleType) -> None:
    assert gallery.answer("# R\n\n## What\n\nNothing: a demonstration.\n\nMore.\n") == ["Nothing: a demonstration."]


def test_options_of_the_examples_exist(gallery: ModuleType) -> None:
    known = {option.flag for option in options()} | {"--preset"}
    runs = [run for one in gallery.EXAMPLES.values() for run in one.runs]
    given = {word for run in runs for word in run if word.startswith("--")}
    assert given - known <= {"--restart"}


def test_a_run_has_a_command_each(gallery: ModuleType) -> None:
    text = gallery.entry("crossed", gallery.EXAMPLES["crossed"], "# R\n\n## The answer\n\n- one\n")
    assert text.count("prunebench run \\\n") == 8 and text.count("--repair least-squares") == 2


def test_entries_that_are_not_made_anew_stay(gallery: ModuleType) -> None:
    page = gallery.PAGE.read_text()
    found = gallery.entries(page)
    assert [*found] == [one.title for one in gallery.EXAMPLES.values()]
    assert page.endswith("\n".join(found.values()))
