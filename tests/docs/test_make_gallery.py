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
    text = gallery.entry("cuts", gallery.EXAMPLES["cuts"], report)
    assert "\nprunebench run \\\n    --datasets folder:cifar10-subset-png \\\n" in text
    assert "\nThe report says:\n\n- `taylor` wins.\n\n[![" in text
    assert "(images/gallery-cuts.png)](gallery/cuts.html)" in text
    assert "- no" not in text


def test_an_answer_without_a_list_is_its_first_paragraph(gallery: ModuleType) -> None:
    assert gallery.answer("# R\n\n## What\n\nNothing: a demonstration.\n\nMore.\n") == ["Nothing: a demonstration."]


def test_options_of_the_examples_exist(gallery: ModuleType) -> None:
    known = {option.flag for option in options()} | {"--preset"}
    given = {word for one in gallery.EXAMPLES.values() for word in one.options if word.startswith("--")}
    assert given - known <= {"--restart"}
