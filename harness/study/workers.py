"""Does jobs in watched worker processes. A crash or a hang fails the step that it happened in; a new worker goes on."""

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from prunebench.errors import UserError
from prunebench.plugins.given import given
from prunebench.plugins.registry import load_registry
from prunebench.plugins.sources import texts
from prunebench.processes import interrupts_later, process_context, start_server, without_main
from prunebench.study.at_work import Step
from prunebench.study.grid import Grid, Job
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec
from prunebench.study.worker import ASK_PLACE, At, Done, Failed, Message, Ready, Task, Told, place_in, serve

log = logging.getLogger("prunebench")

_TICK = 0.5  # seconds between two looks at the time


class Foreign(NamedTuple):
    """The foreign code that a run uses: texts of modules by file, and objects that a call was given."""

    texts: Mapping[str, bytes]
    objects: Mapping[str, tuple[Any, ...]]

    @classmethod
    def of(cls, spec: Spec) -> "Foreign":
        """Collect the code of this process."""
        return cls(texts() | load_registry(spec.plugin).texts, given(spec.plugin))


@dataclass(eq=False)
class _Worker:
    """A worker process. step: what it computes; since: for how many seconds."""

    process: BaseProcess
    pipe: Connection
    places: Connection
    job: Job | None = None
    step: Step | None = None
    since: float = 0.0
    ready: bool = False

    def messages(self) -> Iterator[Message]:
        """Yield what the worker has sent. Ends early where it has died in the middle of a message."""
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                yield self.pipe.recv()

    def place(self, ask: bool) -> str:
        """Return where the worker's code is, or was when it died. ask: whether it still runs."""
        if ask and ASK_PLACE is not None and self.process.pid is not None:
            with suppress(ProcessLookupError):  # it may end right now
                os.kill(self.process.pid, ASK_PLACE)
            self.places.poll(1)
            time.sleep(0.05)  # until all of it is written
        with suppress(OSError):
            return place_in(os.read(self.places.fileno(), 2**16).decode(errors="replace")) if self.places.poll() else ""
        return ""

    def end(self) -> None:
        """Let an idle worker end, and kill one that is at work: whatever it has finished is stored."""
        if self.ready and self.process.is_alive():
            with suppress(OSError):
                self.pipe.send(None)
            self.process.join(10)
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.places.close()


class Workers:
    """Worker processes that do the jobs of a grid."""

    def __init__(self, grid: Grid, work: Any, progress: Progress, foreign: Foreign | None = None) -> None:
        self.spec, self.work, self.progress = grid.spec, work, progress
        self.jobs = deque(grid.jobs)
        self.failed: dict[str, str] = {}  # reasons by key of the step
        self.again: set[Job] = set()  # jobs whose worker died outside any step
        self.workers: list[_Worker] = []
        self.foreign = foreign or Foreign.of(grid.spec)

    def __iter__(self) -> Iterator[tuple[Job, list[Any]]]:
        """Yield each job with its results, in the order in which they are finished. Then the processes end."""
        try:
            yield from self.finish()
        except BaseException:  # also Ctrl-C: kill all at once, before a second one
            for worker in self.workers:
                worker.process.kill()
            raise
        finally:
            self.close()

    def finish(self) -> Iterator[tuple[Job, list[Any]]]:
        """Yield each job with its results. The processes stay and wait for more jobs."""
        left = len(self.jobs)
        while left:
            self._hand_out()
            for found in self._wait():
                left -= 1
                yield found

    def close(self) -> None:
        """End the processes."""
        while self.workers:
            self.workers.pop().end()

    def _hand_out(self) -> None:
        starting = sum(worker.job is None for worker in self.workers)
        for _ in range(min(self.spec.workers - len(self.workers), len(self.jobs) - starting)):
            self.workers.append(self._started())
        for worker in self.workers:
            if worker.ready and self.jobs:
                worker.job, worker.ready = self.jobs.popleft(), False
                with suppress(BrokenPipeError):  # its death is seen next
                    worker.pipe.send(Task(self.work, self.spec, worker.job, self.failed))

    def _started(self) -> _Worker:
        start_server()
        context = process_context()
        ours, theirs = context.Pipe()
        places, their_places = context.Pipe(duplex=False)
        process = context.Process(target=serve, args=(theirs, their_places, dict(os.environ), *self.foreign))
        with interrupts_later(), without_main():
            process.start()
        theirs.close()
        their_places.close()
        return _Worker(process, ours, places)

    def _wait(self) -> Iterator[tuple[Job, list[Any]]]:
        """Wait for news of the workers. Yields finished jobs."""
        limit = self.spec.cell_timeout
        before = time.monotonic()
        news = [one for worker in self.workers for one in (worker.pipe, worker.process.sentinel)]
        connection.wait(news, _TICK if limit else None)
        passed = min(time.monotonic() - before, 2 * _TICK)  # where this process was stopped, the workers were, too
        for worker in list(self.workers):
            worker.since += passed
            died = not worker.process.is_alive()  # before its last messages are read
            for message in worker.messages():
                yield from self._heard(worker, message)
            if died:
                self._died(worker, _cause(worker.process.exitcode or 0), worker.place(ask=False))
            elif limit and worker.step and worker.since > limit:
                self._died(worker, f"took longer than {limit:g} s (--cell-timeout)", worker.place(ask=True))

    def _heard(self, worker: _Worker, message: Message) -> Iterator[tuple[Job, list[Any]]]:
        match message:
            case Ready():
                worker.ready = True
            case At(step):
                worker.step, worker.since = step, 0.0
            case Told(text):
                self.progress.step(text)
            case Done(results):
                assert worker.job is not None
                yield worker.job, results
                worker.job = None
            case Failed(error):
                raise error

    def _died(self, worker: _Worker, cause: str, place: str) -> None:
        """Fail the step that a worker was at, and give its job to another worker."""
        self.workers.remove(worker)
        worker.end()
        if worker.job is None and worker.ready:  # idle: another one starts where there is work
            log.warning("an idle worker process %s; another one goes on", cause)
            return
        if worker.job is not None and worker.step is None and worker.job not in self.again:  # as while it waits
            log.warning("%s | a worker process %s before it computed anything; it is tried again", worker.job, cause)
            self.again.add(worker.job)
            self.jobs.appendleft(worker.job)
            return
        if worker.job is None or worker.step is None:
            doing = f"prepared {worker.job}" if worker.job else "started"
            cure = "finished points are kept: run again, with fewer --workers where memory is short"
            raise UserError(f"a worker process {cause}{place} while it {doing}; {cure}")
        reason = f"{worker.step.label}: {cause}{place}"
        log.warning("%s | %s; a new worker process goes on", worker.job, reason)
        self.failed[worker.step.key] = reason
        self.jobs.appendleft(worker.job)


def _cause(code: int) -> str:
    """Say in words how a process ended."""
    if code >= 0:
        return f"was ended with code {code} by its own code, as by os._exit"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        kills = {"SIGKILL": "was killed, perhaps for lack of memory", "SIGTERM": "was ended by SIGTERM"}
        return kills.get(name, f"crashed ({name})")
    return f"was ended by signal {-code}"
