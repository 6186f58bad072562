"""Finds out whether the timing thread gets its core; on a busy machine other work takes a part of it."""

import time


class CoreShare:
    """Share of a core that the calling thread has had since this object was made.

    Meant for a thread that computes all the time. One that waits, as for a GPU, has no share of a core to speak of.
    """

    def __init__(self) -> None:
        self._began, self._worked = time.perf_counter(), time.thread_time()

    def __call__(self) -> float:
        """Return the seconds that the thread computed, as a share of those that passed."""
        passed = time.perf_counter() - self._began
        return min(1.0, (time.thread_time() - self._worked) / passed) if passed else 1.0
