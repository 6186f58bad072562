"""What a process tells of its work, and what it does not try twice."""

from pathlib import Path

import pytest

from prunebench.errors import CellError
from prunebench.study import at_work
from prunebench.study.at_work import Step, alone, check_not_failed, doing, forget_failures, remember_failure, watch
from prunebench.study.store import Store

OUTER, INNER = Step("a", "rung 1"), Step("b", "dense")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Step | None]:
    monkeypatch.setattr(at_work, "_watches", [])
    found: list[Step | None] = []
    watch(found.append)
    return found


def test_steps_within_steps_are_told_and_waiting_is_none(told: list[Step | None], tmp_path: Path) -> None:
    with doing(OUTER, tmp_path), alone(INNER, Store(tmp_path)):
        assert told == [OUTER, None, OUTER, INNER]
    assert told[4:] == [OUTER, None]


def test_a_step_that_fails_ends_and_frees_its_lock(told: list[Step | None], tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), alone(OUTER, store):
        raise ZeroDivisionError
    assert told[-1] is None
    with store.lock(OUTER.key, wait=False):
        pass


def test_what_failed_in_one_folder_is_not_tried_again_there(tmp_path: Path) -> None:
    remember_failure(tmp_path, "a", "it crashed")
    for tried in (lambda: check_not_failed(tmp_path, "a"), lambda: doing(OUTER, tmp_path).__enter__()):
        with pytest.raises(CellError, match="it crashed"):
            tried()
    check_not_failed(tmp_path, "b")
    check_not_failed(tmp_path / "other", "a")
    forget_failures()
    check_not_failed(tmp_path, "a")
