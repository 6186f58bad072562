"""A worker of the cluster: it computes in a temporary results folder and gives back what is new there.

The computation itself runs in a watched process beside it, as under `--workers`. So a crash or a hang is the matter of
one step, which is named. This worker itself is lost only with its machine, or when somebody kills it.
"""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from prunebench.study.cluster.parcel import Parcel, damaged, news, snapshot, unpack
from prunebench.study.environment import kernel_variables, versions
from prunebench.study.grid import Grid, Job
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec
from prunebench.study.store import Store, guard
from prunebench.study.worker import sendable
from prunebench.study.workers import Foreign, Workers

_FOLDERS, _PREFIX = Path(tempfile.gettempdir()), "prunebench-ray-"


class Home(NamedTuple):
    """What a worker takes over from the machine of the command. variables: those that decide the last digits."""

    folder: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    foreign: Foreign

    @classmethod
    def here(cls, foreign: Foreign) -> "Home":
        """Describe this process."""
        return cls(os.getcwd(), tuple(sys.path), kernel_variables(), foreign)  # noqa: PTH109


class Hello(NamedTuple):
    """Where a worker runs: machine, process, versions of its packages."""

    machine: str
    process: int
    versions: Mapping[str, str]


class Order(NamedTuple):
    """What a worker is to compute. supply: finished stages. failed: reasons of failed stages by key."""

    spec: Spec
    job: Job
    supply: Parcel
    failed: Mapping[str, str]


class Answer(NamedTuple):
    """Results, or the error that ends the run. parcel: new files; faulty: keys of supplied stages that were damaged."""

    results: list[Any]
    parcel: Parcel
    faulty: list[str]
    failed: Mapping[str, str]
    error: BaseException | None = None


class Host:
    """A worker of the cluster; Ray makes an actor of it."""

    def hello(self, do: Any, spec: Spec, home: Home) -> Hello:
        """Prepare for the calls to come, which `do` computes. Tells where this worker runs."""
        os.environ.update(home.variables)
        with suppress(OSError):  # another machine may not have it
            os.chdir(home.folder)
        sys.path += [place for place in home.path if place not in sys.path and Path(place).is_dir()]
        _forget_the_dead()
        self.folder = _FOLDERS / f"{_PREFIX}{os.getpid()}"  # always the same: in it, failures are remembered
        self.pool = Workers(Grid(spec, ()), do, Progress(), home.foreign)
        return Hello(socket.gethostname(), os.getpid(), versions())

    def compute(self, order: Order) -> Answer:
        """Compute a job in a temporary folder."""
        try:
            return self._computed(order, self.folder)
        except BaseException as error:
            self.pool.close()
            return Answer([], {}, [], {}, sendable(error))
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _computed(self, order: Order, folder: Path) -> Answer:
        Store(folder)
        guard(folder, lambda: unpack(order.supply, folder))
        before = snapshot(folder)
        self.pool.spec = order.spec.model_copy(update={"results": folder, "engine": "processes", "workers": 1})
        self.pool.failed = dict(order.failed)
        self.pool.jobs.append(order.job)
        ((_, results),) = self.pool.finish()
        return Answer(results, news(folder, before), damaged(folder), self.pool.failed)


def _forget_the_dead() -> None:
    """Delete the temporary folders that killed workers left on this machine."""
    for folder in _FOLDERS.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX)
        if number.isdigit() and not _is_alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
