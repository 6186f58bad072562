"""Helpers of worker processes. Imports no torch, since workers that decode pictures do not need it."""

import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import connection


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


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
