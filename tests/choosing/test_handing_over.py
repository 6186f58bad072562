"""A choice whose points were run before, without their networks: the answer and the page never depend on a network."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prunebench.choosing import budget, handing_over
from prunebench.choosing.answer import Answer
from prunebench.choosing.choose import choose
from prunebench.errors import UserError
from prunebench.exporting.folder import rebuilt
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run
from prunebench.study.store import Store

SHORT: dict[str, Any] = {"epochs": 1, "sparse_epochs": 0, "finetune_epochs": 1, "train_fraction": 0.3}
SHORT |= {"rung_epochs": 1, "calibration": 32, "timing_rounds": 4, "keep": "0.5", "criteria": "fpgm lamp"}


@pytest.fixture
def unsaved(tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the spec of a choice whose confirmation was run with `--save none`."""
    monkeypatch.setattr(budget, "CONFIRMED_SEEDS", 2)
    monkeypatch.setattr(budget, "IF_WIDE", 2)
    names = "fpgm lamp magnitude random"
    run(make_grid(tiny(tmp_path / "r", **SHORT | {"criteria": names, "seeds": "0,1", "save": "none"})), Progress())
    return tiny(tmp_path / "r", **SHORT | {"save": "final"})


def fails(*_: object, **__: object) -> None:
    raise ZeroDivisionError("broken")


def test_a_network_that_is_not_stored_is_computed_again(
    unsaved: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "prunebench")
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(handing_over, "start", fails)
        lost = choose(unsaved, output)
    assert lost.networks == (None,) and "not stored; the log says why" in lost.text
    assert (output / "index.html").exists() and "broken; the chosen network is not stored: give" in caplog.text
    answer = choose(unsaved, output)
    assert answer.networks == (output / "network",) and "computed again" in caplog.text
    assert "differ" not in caplog.text
    assert rebuilt(output / "network")
    stored = [path.parent.name for path in (tmp_path / "r" / "stages").glob("*/weights.safetensors")]
    assert len(stored) == 3  # dense, sparse-trained and chosen; no rung
    with monkeypatch.context() as patch:
        patch.setattr(handing_over, "export_saved", fails)
        kept = choose(unsaved, output)
    assert kept.networks == (Store(unsaved.results).stage(answer.records[0].network),)
    _check_words(answer)


def _check_words(answer: Answer) -> None:
    """Check that verdicts say where they hold, as in the report, and that the highest mean says what it is."""
    assert "It was chosen as the highest of 3 means, so its own mean is somewhat too high." in answer.text

    def shown(one: Any) -> Any:
        row = None if one.row is None else {**one.row, "on_these_pictures": True}
        return replace(one, verdict="better" if row else "", row=row)

    names = ("fpgm", "lamp")
    text = replace(answer, criterion="fpgm", standings=tuple(map(shown, answer.standings))).text
    assert ": shown better, on these test pictures." in text
    others = next(line for line in text.splitlines() if line.startswith("Shown better than"))
    assert f"`{names[1]}`" in others and others.endswith(", better, on these test pictures).")


def test_an_output_that_is_a_file_is_refused_first(
    tiny: Callable[..., Any], tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(UserError, match=f"output='{place}': .*file is a file; give a folder"):
            choose(tiny(tmp_path / "r", **SHORT), place)
    given = ("lenet5", "digits", "--keep", "0.5", "--results", tmp_path / "r", "--output", tmp_path / "file")
    assert "is a file; give a folder" in refused("choose", *given)
    assert not (tmp_path / "r").exists() and (tmp_path / "file").read_text() == "mine"
