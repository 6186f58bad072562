"""Shows progress: a live bar on a terminal, plain lines in a log."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as Bar,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

log = logging.getLogger("prunebench")


@contextmanager
def lines_shown(handler: logging.Handler) -> Iterator[None]:
    """Give the progress lines to a handler inside; afterwards the log is as it was."""
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


class Result(Protocol):
    """Result of a piece of work, such as a record."""

    @property
    def status(self) -> str:
        """Return `ok` or `failed`."""

    def summary(self) -> str:
        """Summarise the result in a few words."""


class Steps(Protocol):
    """Whoever is told the steps of a trajectory."""

    def step(self, text: str) -> None:
        """Take the current step of a trajectory."""


class Progress:
    """Progress of a grid. Use as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.bar = Bar(
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.started = time.perf_counter()
        self.total = self.done = 0
        self.current = self.bar.add_task("", total=None)

    def __enter__(self) -> "Progress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def begin(self, total: int) -> None:
        """Set the number of trajectories to come."""
        self.total = self.done + total
        self.bar.update(self.current, total=self.total)

    def step(self, text: str) -> None:
        """Show the current step of a trajectory."""
        self.bar.update(self.current, description=text)

    def finished(self, name: str, results: Sequence[Result]) -> None:
        """Log the results of a finished trajectory."""
        self.done += 1
        self.bar.update(self.current, completed=self.done)
        elapsed = time.perf_counter() - self.started
        line = (
            f"[{self.done}/{self.total}] {name} | {' '.join(result.summary() for result in results)} | {elapsed:.0f} s"
        )
        failed = any(result.status == "failed" for result in results)
        log.log(logging.WARNING if failed else logging.INFO, line)
