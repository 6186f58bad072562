"""Hands the work of a grid to workers of a Ray cluster, and brings their results home.

Ray places the workers, and watches them and their machines. The work of a lost worker is handed to the next one that is
free, and Ray starts another worker where there is room.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic

from prunebench.errors import UserError
from prunebench.study.cluster.host import Answer, Hello, Home, Host, Order
from prunebench.study.cluster.joining import joined, resources
from prunebench.study.cluster.parcel import bring_home, supply
from prunebench.study.cluster.units import Course, Units
from prunebench.study.environment import versions
from prunebench.study.grid import Grid, Job, R, Work
from prunebench.study.store import Store
from prunebench.study.workers import Foreign

log = logging.getLogger("prunebench")

_TICK = 1.0  # seconds between two looks
_LOSSES = 3  # of workers at one point, after which the point fails; of workers that do not start, the run
_WAIT = 60  # seconds without any worker, after which the log says so


def on_ray(grid: Grid, work: Work[R]) -> Iterator[tuple[Job, list[R]]]:
    """Work the jobs of a grid on a Ray cluster. Yields each finished job with its results, which are in the store."""
    with joined(grid.spec) as ray:
        fleet = Fleet(ray, grid, work)
        try:
            yield from fleet.finish()
        finally:
            fleet.close()


@dataclass(eq=False)
class _Seat(Generic[R]):
    """Place of a worker. call: what it was asked; course: its work, None while it starts. hello: its last one."""

    actor: Any = None
    call: Any = None
    course: Course[R] | None = None
    hello: Hello | None = None
    failures: int = 0

    @property
    def machine(self) -> str:
        return self.hello.machine if self.hello else ""


class Fleet(Generic[R]):
    """The workers of one run."""

    def __init__(self, ray: Any, grid: Grid, work: Work[R]) -> None:
        self.ray, self.spec, self.work = ray, grid.spec, work
        self.store, self.units = Store(grid.spec.results), Units(grid, work)
        self.failed: dict[str, str] = {}  # reasons by key of the stage
        self.losses: Counter[tuple[Job, str]] = Counter()  # of workers, by job and keeps
        self.home = ray.put(Home.here(Foreign.of(grid.spec)))
        self.hosts = ray.remote(Host).options(**resources(grid.spec))
        self.seats = [_Seat[R]() for _ in range(min(grid.spec.workers, len(grid.jobs)))]
        for seat in self.seats:
            self._start(seat)

    def _start(self, seat: _Seat[R]) -> None:
        """Have Ray place a worker, as soon as a machine has room for it."""
        seat.actor, seat.course, seat.hello = self.hosts.remote(), None, None
        seat.call = seat.actor.hello.remote(self.work.do, self.spec, self.home)

    def finish(self) -> Iterator[tuple[Job, list[R]]]:
        """Work until all is done."""
        heard = time.monotonic()
        while self.units.left:
            yield from self._hand_out()
            calls = {seat.call: seat for seat in self.seats if seat.call is not None}
            ended, _ = self.ray.wait(list(calls), num_returns=1, timeout=_TICK) if calls else ([], [])
            for call in ended:
                yield from self._heard(calls[call], call)
            if any(seat.hello for seat in self.seats):
                heard = time.monotonic()
            elif time.monotonic() - heard > _WAIT:
                heard = time.monotonic() + 9 * _WAIT
                log.warning("no worker runs: the cluster is busy, or has lost its machines; this run waits for room")

    def close(self) -> None:
        """End the workers."""
        for seat in self.seats:
            self.ray.kill(seat.actor)

    def _hand_out(self) -> Iterator[tuple[Job, list[R]]]:
        for seat in self.seats:
            while seat.call is None:
                course = self.units.take()
                if course is None:  # nor is there any for the next one
                    return
                found = self.work.found(course.spec, course.job)
                if found:
                    yield from self.units.done(course, found)
                else:
                    self._order(seat, course)

    def _order(self, seat: _Seat[R], course: Course[R]) -> None:
        stages = self.work.stages(course.spec, course.job)
        files = supply(self.store, stages, self.units.claims[course])
        order = Order(course.spec, course.job, files, self.failed)
        seat.course, seat.call = course, seat.actor.compute.remote(order)

    def _heard(self, seat: _Seat[R], call: Any) -> Iterator[tuple[Job, list[R]]]:
        try:
            answer = self.ray.get(call)
        except self.ray.exceptions.RayTaskError as error:
            raise _unfit("a worker failed", error) from error
        except self.ray.exceptions.RayError as error:
            self._lost(seat, error)
            return
        seat.call, seat.failures = None, 0
        if isinstance(answer, Hello):
            self._welcome(seat, answer)
            return
        course, seat.course = seat.course, None
        assert course is not None
        yield from self._came_home(seat, course, answer)

    def _welcome(self, seat: _Seat[R], hello: Hello) -> None:
        seat.hello = hello
        for name, ours in versions().items():
            theirs = hello.versions.get(name, "none")
            if theirs != ours:
                what = f"{hello.machine} has {name} {theirs}, this machine has {ours}"
                raise UserError(f"--engine ray: {what}; install the same packages on all machines")
        log.info("a worker starts on %s (process %d)", hello.machine, hello.process)

    def _came_home(self, seat: _Seat[R], course: Course[R], answer: Answer) -> Iterator[tuple[Job, list[R]]]:
        if answer.error is not None:
            raise answer.error
        self.failed |= answer.failed
        bring_home(answer.parcel, answer.faulty, self.store)
        right = all(one.status == "ok" for one in answer.results)
        last = self.work.stages(course.spec, course.job)[-1]
        if right and not self.store.stage(last.key).is_dir():
            what = f"{seat.machine} has computed another point, as its data or its code differ"
            raise UserError(f"{course}: {what}; give all machines the same --data-root, plugins and packages")
        yield from self.units.done(course, answer.results)

    def _lost(self, seat: _Seat[R], error: Exception) -> None:
        """Give the work of a lost worker back, and have another one started in its place."""
        course = seat.course
        if course is None:
            seat.failures += 1
            if seat.failures >= _LOSSES:
                raise _unfit("a worker cannot start", error)
        else:
            self._count(seat, course)
            self.units.give_back(course)
        self.ray.kill(seat.actor)
        self._start(seat)

    def _count(self, seat: _Seat[R], course: Course[R]) -> None:
        place = course.job, str(course.spec.keep)
        self.losses[place] += 1
        log.warning("%s | the worker on %s was lost; the work is taken again by the next one", course, seat.machine)
        if self.losses[place] == _LOSSES:
            reason = f"its worker was lost {_LOSSES} times, perhaps for lack of memory"
            self.failed[self.work.stages(course.spec, course.job)[-1].key] = reason
        if self.losses[place] >= 2 * _LOSSES:  # it does not fail before the worker is lost, as scores of a fidelity
            raise UserError(f"{course}: its worker was lost {2 * _LOSSES} times; leave this criterion out")


def _unfit(what: str, error: Exception) -> UserError:
    log.debug("%s", error)  # with the traceback of the worker
    why = str(error).strip().rpartition("\n")[2]
    return UserError(f"--engine ray: {what}: {why}; if the machines differ, install the same packages on all")
