"""Helpers of worker processes. Imports no torch, since workers that decode pictures do not need it."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection
from types import ModuleType
from typing import Any

_ONE = threading.RLock()
_LATER = 1e6  # seconds until a clock that has rung would ring again: it does not count as switched off


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def uncollected() -> Iterator[None]:
    """Search for no garbage inside: long imports, reports and traces make many objects and little garbage.

    The search takes a tenth of the import of torch and torchvision. The collector stays on: what foreign code inside
    switches off or sets is seen afterwards.
    """
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        yield
    finally:
        if gc.get_threshold()[0] == 0:
            gc.set_threshold(*before)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise `TimeoutError` inside Python code that takes longer. No limit: 0, threads but the main one, Windows."""
    if not seconds or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"took longer than {seconds} s (--cell-timeout)")

    began, handler = time.monotonic(), signal.signal(signal.SIGALRM, stop)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _LATER)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if delay:  # somebody else's clock goes on
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - began), 0.001), interval)


@contextmanager
def without_main() -> Iterator[None]:
    """Start processes inside that do not run the program's own file, which need no `if __name__ == "__main__":` then.

    Nothing of that file may be handed to them. One thread at a time is inside.
    """
    with _ONE:
        main = sys.modules["__main__"]
        try:
            sys.modules["__main__"] = ModuleType("__main__")
            yield
        finally:
            sys.modules["__main__"] = main


def process_context() -> Any:
    """Return how worker processes start. On Linux they fork from a server that has loaded torch and is idle."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["prunebench.study.run", "torch._dynamo"])  # which torch's optimisers import late
    return context


def start_server() -> None:
    """Start the server of `process_context` if it does not run. It imports torch while this process goes on."""
    context = process_context()
    if context.get_start_method() != "forkserver":
        return
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.ensure_running()  # which would let Ctrl-C through
    with interrupts_later(), without_main():
        forkserver.ensure_running()


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Let a new process begin without Ctrl-C, which it will ignore; this process gets its own at the end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process when its parent is killed. Otherwise it would keep its lock and wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def serve_parent() -> None:
    """Prepare a worker process: it ends when its parent does, and leaves Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
