"""A worker process: does one job after another, and tells its parent what it computes.

It writes Python's position into a pipe when it crashes, when foreign code calls `os._exit`, and on a signal of its
parent. So a message can name the file and line.
"""

import faulthandler
import os
import pickle
import re
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import prunebench
from prunebench.errors import reason
from prunebench.plugins.given import adopt_given
from prunebench.plugins.sources import PLUGIN_PACKAGES, adopt, is_standard_file
from prunebench.processes import serve_parent
from prunebench.study.at_work import Step, remember_failure, watch
from prunebench.study.grid import Job
from prunebench.study.spec import Spec

ASK_PLACE = getattr(signal, "SIGUSR1", None)  # absent on Windows
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)
_PACKAGE = Path(prunebench.__file__).parent
_OWN_PLUGINS = tuple(_PACKAGE / name.removeprefix("prunebench.") for name in PLUGIN_PACKAGES)
_TOLD_EVERY = 0.2  # seconds between two texts of progress


class Task(NamedTuple):
    """What a worker is to do. failed: reasons of steps that failed earlier in this run, by key."""

    work: Callable[..., list[Any]]
    spec: Spec
    job: Job
    failed: Mapping[str, str]


class Ready(NamedTuple):
    """A worker waits for a task."""


class At(NamedTuple):
    """A worker begins, or goes on with, a step; None where it computes nothing."""

    step: Step | None


class Told(NamedTuple):
    """A text of progress."""

    text: str


class Done(NamedTuple):
    """Results of a task."""

    results: list[Any]


class Failed(NamedTuple):
    """An error that ends the run."""

    error: BaseException


Message = Ready | At | Told | Done | Failed


def serve(
    pipe: Connection,
    places: Connection,
    environment: Mapping[str, str],
    texts: Mapping[str, bytes],
    objects: Mapping[str, Any],
) -> None:
    """Do tasks until there are no more. places: receives Python's position.

    environment: the parent's. texts, objects: the foreign code that the parent runs.
    """
    serve_parent()
    os.environ.clear()
    os.environ.update(environment)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by the parent until it is ignored
    _tell_places(places)
    adopt(texts)
    adopt_given(objects)
    watch(lambda step: pipe.send(At(step)))
    progress = _Progress(pipe)
    while True:
        pipe.send(Ready())
        task = pipe.recv()
        if task is None:
            return
        pipe.send(_answer(task, progress))


def _answer(task: Task, progress: "_Progress") -> Done | Failed:
    for key, cause in task.failed.items():
        remember_failure(task.spec.results, key, cause)
    try:
        return Done(task.work(task.spec, task.job, progress))
    except BaseException as error:
        error.add_note(traceback.format_exc())  # the parent's traceback ends at the pipe
        return Failed(sendable(error))


def sendable(error: BaseException) -> BaseException:
    """Return an error that the parent can receive: some lose arguments on the way."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("\n".join([reason(error), *error.__notes__]))
    return error


class _Progress:
    """Sends texts of progress to the parent, not too many."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.last = pipe, 0.0

    def step(self, text: str) -> None:
        if time.monotonic() - self.last > _TOLD_EVERY:
            self.last = time.monotonic()
            self.pipe.send(Told(text))


def _tell_places(places: Connection) -> None:
    faulthandler.enable(places.fileno())
    if ASK_PLACE is not None:
        faulthandler.register(ASK_PLACE, places.fileno())
    worker, leave = os.getpid(), os._exit

    def traced(status: int) -> None:
        if os.getpid() == worker:  # and not a process that it has forked
            faulthandler.dump_traceback(places.fileno())
        leave(status)

    os._exit = traced  # type: ignore[assignment]


def place_in(text: str) -> str:
    r"""Return the innermost foreign file and line of Python's position, as ` (mine.py:6)`; "" without one.

    >>> place_in('Thread 0x1 (most recent call first):\n  File "/a/mine.py", line 6 in slow\n')
    ' (mine.py:6)'
    """
    frames = ((Path(file), line) for file, line in _FRAME.findall(text))
    found = next(((file, line) for file, line in frames if _is_foreign(file)), None)
    return f" ({found[0].name}:{found[1]})" if found else ""


def _is_foreign(file: Path) -> bool:
    """Tell foreign code and criteria from the core, Python and libraries."""
    if file.is_relative_to(_PACKAGE):
        return any(map(file.is_relative_to, _OWN_PLUGINS))
    return not str(file).startswith("<") and not is_standard_file(file)
