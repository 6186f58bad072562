"""The global states of Python's process that foreign code may change: how each is read and put back."""

import _signal  # type: ignore[import-not-found]  # the public functions take 30 times as long
import gc
import locale
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np


class State(NamedTuple):
    """One global state, by its name in messages. loose: whether libraries change it when they are imported."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    loose: bool = False


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:  # deleted
        return ""


def _put_folder(before: str) -> None:
    if before:
        os.chdir(before)


def _handlers() -> dict[int, Any]:
    return {number: _signal.getsignal(number) for number in range(1, 32)}


def _put_handlers(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and _signal.getsignal(number) != handler:  # None: not set by Python
            signal.signal(number, handler)


def _timer() -> bool:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _filters() -> tuple[list[Any], Any]:
    return list(warnings.filters), warnings.showwarning


def _put_filters(before: tuple[list[Any], Any]) -> None:
    warnings.filters[:], warnings.showwarning = before  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _put_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _log() -> tuple[int, int, int, bool]:
    own = logging.getLogger("prunebench")
    return logging.root.manager.disable, logging.root.level, own.level, own.disabled


def _put_log(before: tuple[int, int, int, bool]) -> None:
    own = logging.getLogger("prunebench")
    logging.root.manager.disable = before[0]
    logging.root.setLevel(before[1])
    own.setLevel(before[2])
    own.disabled = before[3]


def _put_streams(before: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = before


def _put_umask(mask: int) -> None:
    os.umask(mask)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_STATES = (
    State("the working directory", _folder, _put_folder),
    State("os.environ", os.environ.copy, _put_environment, loose=True),
    State("the warnings filters", _filters, _put_filters, loose=True),
    State("NumPy's treatment of errors", np.geterr, lambda before: np.seterr(**before)),
    State("the log's level", _log, _put_log, loose=True),
    State("sys.stdout or sys.stderr", lambda: (sys.stdout, sys.stderr), _put_streams),
    State("the limit of recursion", sys.getrecursionlimit, sys.setrecursionlimit),
    State("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    State("the locale", partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL)),
    State("the file mode mask", _umask, _put_umask),
)
_SIGNALS = (  # only the main thread may set them
    State("the alarm clock", _timer, lambda on: None if on else signal.setitimer(signal.ITIMER_REAL, 0)),
    State("a signal handler", _handlers, _put_handlers),
)


def process_states() -> tuple[State, ...]:
    """Return the states of the process that this thread can put back, in this order."""
    main = threading.current_thread() is threading.main_thread()
    return (*_STATES, *(_SIGNALS if main else ()))
