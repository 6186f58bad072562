"""What a grid's jobs are worked with: the function, the stages that it reads or makes, and what is stored already."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from prunebench.study.grid import Grid, Job
from prunebench.study.progress import Result
from prunebench.study.spec import Spec
from prunebench.study.stages import Stage

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Work(Generic[R]):
    """Work on a job; other processes import its functions.

    do: (spec, job, progress=None) -> results, such as one record per keep. stages: those that a job reads or makes, the
    last one last. stored: results of a job that needs no work, [] for another. named: jobs of a grid that need no work
    by the names of their results, damaged ones among them. by_keep: whether the keeps of a job may be computed by
    several calls, one after another.
    """

    do: Callable[..., list[R]]
    stages: Callable[[Spec, Job], list[Stage]]
    stored: Callable[[Spec, Job], list[R]] | None = None
    named: Callable[[Grid], list[Job]] | None = None
    by_keep: bool = False

    def found(self, spec: Spec, job: Job) -> list[R]:
        """Return the stored results of a job that needs no work, [] for another."""
        return self.stored(spec, job) if self.stored else []

    def finished(self, grid: Grid) -> dict[Job, None]:
        """Return the jobs that need no work by the names of their results, in the order of the grid."""
        return dict.fromkeys(self.named(grid) if self.named else ())
