from pathlib import Path

import pytest

from prunebench.cli.listing import check_models, listing
from prunebench.errors import UserError
from prunebench.plugins.registry import Registry
from prunebench.records.names import ALIASES, CONTROLS

PLUGIN = """
from prunebench.plugins.criterion import Criterion
def mine(weight):
    return weight.norm(dim=1)
MINE = Criterion(mine, reference="Me, here")
"""


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(PLUGIN)
    return str(tmp_path / "mine.py")


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.split()]


def test_everything_that_can_be_named_is_listed() -> None:
    registry, words = Registry(), first_words(listing("", ()))
    for name in (*registry.criteria, *ALIASES, "quick", "torchvision:NAME", "module:function"):
        assert name in words
    for name in (*registry.datasets, *registry.models, *CONTROLS):
        assert any(word.partition(":")[0] == name for word in words)


def test_a_dataset_is_listed_with_options_and_augmentation() -> None:
    text = listing("datasets", ())
    row = next(line for line in text.splitlines() if line.startswith("imagenet "))
    assert "size=224, memory=4.0" in row and "resized_crop, flip" in row
    assert "options of every dataset: size=64, classes=10 or cat/dog" in text


def test_a_plugin_is_listed_with_evidence_source_and_origin(plugin: str) -> None:
    row = next(line for line in listing("criteria", (plugin,)).splitlines() if line.startswith("mine "))
    assert "weight" in row and "Me, here" in row and "plugin" in row


def test_what_was_not_loaded_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Registry(())
    known.failures["entry point broken 1.0"] = "ZeroDivisionError: division by zero"
    monkeypatch.setattr("prunebench.cli.listing.Registry", lambda plugins: known)
    assert "not loaded: entry point broken 1.0: ZeroDivisionError" in listing("models", ())


def test_an_unknown_kind() -> None:
    with pytest.raises(UserError, match=r"'modles'.* did you mean 'models'"):
        listing("modles", ())


def test_options_are_listed() -> None:
    text = listing("criteria", ())
    assert "curvature=sampled" in text and "strength=0.0001" in text and "p=2.0" in text
    assert "width=1.0" in listing("models", ())


def test_models_are_checked_by_name() -> None:
    text, passed = check_models(("lenet5 resnet20:shortcut=B",), everything=False, plugins=(), sizes=(16,))
    assert passed
    assert [line.split()[0] for line in text.splitlines()[2:]] == ["lenet5", "resnet20:shortcut=B"]
    text, _ = check_models(("lenet5",), everything=False, plugins=(), sizes=(16,), kind="github")
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == ["lenet5"]
    for names, classes, message in (
        ((), 10, "no model to check: give names or --all; `prunebench list models` shows all"),
        (("lenet",), 10, "unknown model 'lenet'; did you mean 'lenet5'"),
        (("lenet5",), 1, "--size 0, --channels 3, --classes 1: too small; give at least"),
    ):
        with pytest.raises(UserError, match=message):
            check_models(names, everything=False, plugins=(), classes=classes)
