"""What this process computes at the moment, and what failed earlier in this run.

A process that watches this one is told each step. So it knows what a crash or a hang belongs to.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from prunebench.errors import CellError
from prunebench.study.store import Store


class Step(NamedTuple):
    """A piece of work, by the key of a stage or of scores. label: for messages, such as `rung 1`."""

    key: str
    label: str


Watch = Callable[[Step | None], object]

_steps: list[Step | None] = []  # from the outermost to the innermost; None while the process waits for another
_watches: list[Watch] = []
_failed: dict[tuple[Path, str], str] = {}  # reasons, by results folder and key


def watch(told: Watch) -> None:
    """Tell each step from now on; None stands for no step, or for waiting."""
    _watches.append(told)


def forget_failures() -> None:
    """Forget what failed, so that a new run tries it again."""
    _failed.clear()


def remember_failure(folder: Path, key: str, reason: str) -> None:
    """Remember what failed, or every keep and criterion would repeat it."""
    _failed[folder, key] = reason


def check_not_failed(folder: Path, key: str) -> None:
    """Raise `CellError` for what failed earlier in this run."""
    if (folder, key) in _failed:
        raise CellError(_failed[folder, key])


@contextmanager
def doing(step: Step, folder: Path) -> Iterator[None]:
    """Tell that a step is computed inside. Raises `CellError` where it failed earlier in this run."""
    check_not_failed(folder, step.key)
    with _told(step):
        yield


@contextmanager
def alone(step: Step, store: Store) -> Iterator[None]:
    """Compute a step under its lock. Waiting for another process is no part of the step."""
    with ExitStack() as stack:
        with _told(None):
            stack.enter_context(store.lock(step.key))
        stack.enter_context(doing(step, store.folder))
        yield


@contextmanager
def _told(step: Step | None) -> Iterator[None]:
    _steps.append(step)
    _tell()
    try:
        yield
    finally:
        _steps.pop()
        _tell()


def _tell() -> None:
    for told in _watches:
        told(_steps[-1] if _steps else None)
