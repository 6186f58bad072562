"""What a call may leave behind in its process: nothing but a temporary folder, and lines of progress."""

import atexit
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

from prunebench.plugins.given import offered
from prunebench.plugins.guard import keeping
from prunebench.plugins.registry import load_registry
from prunebench.plugins.torch_states import NUMBERS, TORCH_SETTINGS
from prunebench.study.progress import lines_shown
from prunebench.study.task import load_dataset, make_task

log = logging.getLogger("prunebench")


@cache
def temporary_folder() -> Path:
    """Make a results folder for this process, which deletes it at its end. All calls share it."""
    folder = Path(tempfile.mkdtemp(prefix="prunebench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def is_temporary(folder: Path) -> bool:
    """Tell whether a folder is the one that this process deletes at its end."""
    return bool(temporary_folder.cache_info().currsize) and folder == temporary_folder()


class _Lines(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to the standard error of the moment, which a notebook or a progress bar replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def told(quiet: bool) -> Iterator[None]:
    """Show the lines of a run inside, unless the program has a log of its own. quiet: show warnings alone."""
    if quiet or log.hasHandlers():
        yield
        return
    handler = _Lines()
    handler.setFormatter(logging.Formatter("%(message)s"))
    with lines_shown(handler):
        yield


@contextmanager
def offering(plugins: Sequence[object]) -> Iterator[tuple[str, ...]]:
    """Offer objects to registries inside, see `offered`. Then let go of the tasks that were made of them."""
    try:
        with offered(plugins) as tokens:
            yield tokens
    finally:
        for prepared in (make_task, load_dataset, load_registry) if plugins else ():
            prepared.cache_clear()


def settings_kept() -> AbstractContextManager[object]:
    """Put torch's settings, such as its threads, and the global random states back at the end."""
    return keeping((*TORCH_SETTINGS, *NUMBERS))
