"""What worker processes of any kind need. Imports nothing heavy: those that decode pictures do without torch."""

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
    """Let this process end when its parent is killed: it would keep its lock and wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def serve_parent() -> None:
    """Begin a process that only works for its parent: it ends with it, and Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
