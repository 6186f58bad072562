"""Stream pictures that do not fit in memory: worker processes decode the files a few batches ahead.

Workers start once per process, serve all its splits and end with it. They draw no random numbers, so their number
changes no result.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial
from multiprocessing import get_context
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunebench.data.decoding import Array, Form, Survey, read, survey
from prunebench.errors import CellError, UserError
from prunebench.processes import cores, serve_parent, without_main

BROKEN = "a process that decodes pictures was killed, perhaps for lack of memory, or could not start"
R = TypeVar("R")
PIECE = 16  # pictures that a worker decodes at a time: few, so that all workers share the batch that is needed next


@dataclass(frozen=True, eq=False)
class Files:
    """One split whose pictures stay in their files.

    Args:
        root: folder that contains all files.
        names: paths of the files below `root`, bytes (n,).
        labels: int64 (n,), on the device of the batches.
        form: channels and side of the pictures in a batch.
        left_out: what lies beside the pictures and was not listed; see `listing.describe`.
    """

    root: Path
    names: NDArray[np.bytes_]
    labels: Tensor
    form: Form = field(default_factory=Form)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a picture in a batch: (channels, height, width)."""
        return self.form.channels, self.form.side, self.form.side

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> Self:
        return replace(self, names=self.names[index.cpu().numpy()], labels=self.labels[index.to(self.labels.device)])

    def to(self, device: torch.device) -> Self:
        """Copy the split so that its batches are on a device."""
        return replace(self, labels=self.labels.to(device))

    def relabelled(self, labels: Tensor) -> Self:
        """Copy the split with other labels, (n,)."""
        return replace(self, labels=labels)

    def paths(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Give the paths of the files from `start` up to `stop`."""
        return [str(self.root / name.decode(errors="surrogateescape")) for name in self.names[start:stop]]

    def batches(self, chosen: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield uint8 pictures (k, channels, height, width) and labels (k,) for each index (k,), in order.

        Raises `CellError` naming a file that cannot be read or has another form, and if a worker process dies.
        """
        ahead: deque[tuple[Files, list[Future[Array]]]] = deque()
        try:
            for index in chosen:
                part = self[index]
                pieces = [_absolute(part.paths(start, start + PIECE)) for start in range(0, len(part), PIECE)]
                ahead.append((part, _reading(pieces, self.form)))
                if sum(len(p) for p, _ in ahead) > max(2 * len(part), 2 * PIECE * _Decoders.count):
                    yield _joined(*ahead.popleft())
            while ahead:
                yield _joined(*ahead.popleft())
        except BrokenProcessPool:
            _drop_pool()
            raise CellError(BROKEN) from None
        finally:  # the caller may stop before the last batch
            for future in (future for _, futures in ahead for future in futures):
                future.cancel()

    def survey(self, size: int) -> Survey:
        """Decode all pictures and summarise them; see `decoding.survey`.

        Raises `UserError` naming a file that cannot be read, and if a worker process dies.
        """
        parts = in_workers(partial(survey, size=size), self.paths())
        shapes = frozenset[tuple[int, int]]().union(*(part.shapes for part in parts))
        return Survey(any(part.colour for part in parts), shapes, np.sum([part.counts for part in parts], axis=0))

    def facts(self) -> Iterator[bytes]:
        """Yield the form, all names with the sizes of the files, and all labels."""
        yield repr(self.form).encode()
        for name, path in zip(self.names, self.paths(), strict=True):
            yield b"%s %d\n" % (name, Path(path).stat().st_size)
        yield self.labels.contiguous().numpy().tobytes()


def in_workers(work: Callable[[Sequence[str]], Sequence[R]], files: Sequence[str]) -> list[R]:
    """Do some work on files in worker processes. Returns the results in order.

    work: takes a few files; a function of a module that imports no torch, so that workers start fast.

    Raises `UserError` if a worker process dies.
    """
    pieces = [_absolute(files[start : start + PIECE]) for start in range(0, len(files), PIECE)]
    try:
        with _starting():
            found = _pool().map(work, pieces)
        return [result for some in found for result in some]
    except BrokenProcessPool:
        _drop_pool()
        raise UserError(BROKEN) from None


def _reading(pieces: Iterable[Sequence[str]], form: Form) -> list[Future[Array]]:
    """Hand out pieces of a batch."""
    with _starting():
        return [_pool().submit(read, piece, form) for piece in pieces]


def _starting() -> AbstractContextManager[object]:
    """Guard a call that hands out work: it starts processes while there are too few."""
    return without_main() if len(_pool()._processes or ()) < _Decoders.count else nullcontext()


def _absolute(files: Iterable[str]) -> list[str]:
    """Complete the paths: workers stay in the folder that this process was in when they started."""
    return [str(Path(file).absolute()) for file in files]


def set_decoders(count: int) -> None:
    """Set how many worker processes decode pictures, at least one. Workers that run already are not changed."""
    _Decoders.count = max(1, count)


class _Decoders:
    count = cores()


@cache
def _pool() -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(_Decoders.count, mp_context=get_context("spawn"), initializer=serve_parent)
    Finalize(None, pool.shutdown, exitpriority=100)  # a process of `--workers` then closes queues and awaits children
    return pool


def _drop_pool() -> None:
    """Forget a broken pool and kill its processes: exit would wait for ever for one that was just starting."""
    processes = list(_pool()._processes.values())
    _pool.cache_clear()
    for process in processes:
        process.kill()


def _joined(part: Files, pieces: list[Future[Array]]) -> tuple[Tensor, Tensor]:
    """Join the pieces of a batch. A batch for a CUDA device goes through pinned memory while the device computes."""
    device = part.labels.device
    batch = torch.empty((len(part), *part.shape), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for place, piece in zip(torch.split(batch, PIECE), pieces, strict=True):
        place.copy_(torch.from_numpy(piece.result()))
    return batch.to(device, non_blocking=True), part.labels
