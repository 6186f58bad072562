"""A clock for the tests of timing that only calls move."""

from collections.abc import Callable

import pytest

from prunebench.timing.warming import Call


class Clock:
    """A clock that only moves when a call takes its time. calls: the names of those that ran, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def call(self, name: str, seconds: Callable[[int], float] | float) -> Call:
        """Make a call. seconds: it takes, always or by how often it was called before."""

        def run() -> None:
            self.now += seconds(self.calls.count(name)) if callable(seconds) else seconds
            self.calls.append(name)

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    return clock
