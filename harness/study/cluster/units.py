"""Shares out the work of a grid, one keep of one trajectory at a time.

No stage is computed twice: work waits while other work computes a stage that both need.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic

from prunebench.records.budget import Budget
from prunebench.study.grid import Grid, Job, R, Work
from prunebench.study.spec import Spec
from prunebench.study.store import Store

_AHEAD = 64  # most trajectories of a block that are looked at for one that can begin


@dataclass(eq=False)
class Course(Generic[R]):
    """A job on its way. specs: of the calls to come, each with the keeps that it computes."""

    job: Job
    specs: deque[Spec]
    results: list[R] = field(default_factory=list)

    @property
    def block(self) -> tuple[str, str, int]:
        """Task and seed."""
        return self.job.dataset, self.job.model, self.job.seed

    @property
    def spec(self) -> Spec:
        """Options of the next call."""
        return self.specs[0]

    def __str__(self) -> str:
        return f"{self.job} | {self.spec.keep}"


class Units(Generic[R]):
    """Work of a grid that is not finished. left: number of jobs."""

    def __init__(self, grid: Grid, work: Work[R]) -> None:
        self.work, self.store = work, Store(grid.spec.results)
        self.left = len(grid.jobs)
        self.waiting: dict[tuple[str, str, int], deque[Course[R]]] = {}
        self.claims: dict[Course[R], set[str]] = {}  # keys that are being computed
        for job in grid.jobs:
            course = Course[R](job, deque(_calls(grid.spec, work)))
            self.waiting.setdefault(course.block, deque()).append(course)

    def take(self) -> Course[R] | None:
        """Take work that can begin now, from the block that the fewest work on; None where all must wait."""
        at_work = Counter(course.block for course in self.claims)
        claimed = {key for keys in self.claims.values() for key in keys}
        for block in sorted(self.waiting, key=lambda one: at_work[one]):
            for course in islice(self.waiting[block], _AHEAD):
                keys = self.missing(course)
                if claimed.isdisjoint(keys):
                    self.waiting[block].remove(course)
                    self.claims[course] = keys
                    return course
        return None

    def missing(self, course: Course[R]) -> set[str]:
        """Return the keys of the stages that are not stored."""
        stages = self.work.stages(course.spec, course.job)
        return {stage.key for stage in stages if not self.store.has(stage.key)}

    def give_back(self, course: Course[R]) -> None:
        """Take work that was not done to the front of its block."""
        del self.claims[course]
        self.waiting[course.block].appendleft(course)

    def done(self, course: Course[R], results: list[R]) -> Iterator[tuple[Job, list[R]]]:
        """Note the results of a call. Yields the job where it was the last one."""
        del self.claims[course]
        course.results += results
        course.specs.popleft()
        if course.specs:
            self.waiting[course.block].appendleft(course)
            return
        self.left -= 1
        yield course.job, course.results


def _calls(spec: Spec, work: Work[Any]) -> list[Spec]:
    if not work.by_keep:
        return [spec]
    return [spec.model_copy(update={"keep": Budget(keep.metric, (keep.fraction,))}) for keep in spec.keep.keeps]
