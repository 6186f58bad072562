"""Pictures that do not fit in memory: worker processes decode them from their files, a few batches ahead.

The workers belong to the process, not to a split or an epoch: they start once, serve every split and end with the
process. They draw nothing at random, so their number changes no result.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import get_context
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunebench.data.decoding import Array, Form, Survey, read, survey
from prunebench.errors import CellError, UserError
from prunebench.processes import cores, serve_parent

BROKEN = (
    "a process that decodes pictures was killed, perhaps for its memory, or could not start: "
    'a script of your own must call what loads data below `if __name__ == "__main__":`'
)
PIECE = 16  # pictures that a worker decodes at a time: small, so that all of them work on the batch that is waited for


@dataclass(frozen=True, eq=False)
class Files:
    """One split whose pictures stay in their files.

    Args:
        root: folder that the names begin in.
        names: paths of the pictures below it, bytes, (n,).
        labels: int64 (n,), on the device that batches are wanted on.
        form: what pictures are brought to.
    """

    root: Path
    names: NDArray[np.bytes_]
    labels: Tensor
    form: Form = field(default_factory=Form)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a picture in a batch."""
        return self.form.channels, self.form.side, self.form.side

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> Self:
        return replace(self, names=self.names[index.cpu().numpy()], labels=self.labels[index.to(self.labels.device)])

    def to(self, device: torch.device) -> Self:
        """Give the same split with its batches on a device."""
        return replace(self, labels=self.labels.to(device))

    def relabelled(self, labels: Tensor) -> Self:
        """Give the same pictures with other labels, (n,)."""
        return replace(self, labels=labels)

    def paths(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Give the files of some pictures."""
        return [str(self.root / name.decode(errors="surrogateescape")) for name in self.names[start:stop]]

    def batches(self, chosen: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Give uint8 pictures (k, channels, height, width) and labels (k,) for each index (k,), in order.

        Raises `CellError` naming the file that cannot be read or is not of the form, or if a worker ends too soon.
        """
        ahead: deque[tuple[Files, list[Future[Array]]]] = deque()
        try:
            for index in chosen:
                part = self[index]
                pieces = [part.paths(start, start + PIECE) for start in range(0, len(part), PIECE)]
                ahead.append((part, [_pool().submit(read, files, self.form) for files in pieces]))
                if sum(len(p) for p, _ in ahead) > max(2 * len(part), 2 * PIECE * _Decoders.count):
                    yield _joined(*ahead.popleft())
            while ahead:
                yield _joined(*ahead.popleft())
        except BrokenProcessPool:
            _drop_pool()
            raise CellError(BROKEN) from None
        finally:  # whoever asked may have had enough
            for future in (future for _, futures in ahead for future in futures):
                future.cancel()

    def survey(self, size: int) -> Survey:
        """Decode all pictures and say what they have in common; see `decoding.survey`.

        Raises `UserError` naming the file that cannot be read, or if a worker ends too soon.
        """
        files = self.paths()
        pieces = [files[start : start + PIECE] for start in range(0, len(files), PIECE)]
        try:
            found: Sequence[Survey] = list(_pool().map(survey, pieces, [size] * len(pieces)))
        except BrokenProcessPool:
            _drop_pool()
            raise UserError(BROKEN) from None
        shapes = frozenset[tuple[int, int]]().union(*(part.shapes for part in found))
        return Survey(any(part.colour for part in found), shapes, np.sum([part.counts for part in found], axis=0))

    def facts(self) -> Iterator[bytes]:
        """Give the form, all names with the sizes of the files, and all labels."""
        yield repr(self.form).encode()
        for name, path in zip(self.names, self.paths(), strict=True):
            yield b"%s %d\n" % (name, Path(path).stat().st_size)
        yield self.labels.contiguous().numpy().tobytes()


def set_decoders(count: int) -> None:
    """Set how many processes decode for this one, at least one; those already started go on."""
    _Decoders.count = max(1, count)


class _Decoders:
    count = cores()


@cache
def _pool() -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(_Decoders.count, mp_context=get_context("spawn"), initializer=serve_parent)
    Finalize(None, pool.shutdown, exitpriority=100)  # before a process of `--workers` closes queues and awaits children
    return pool


def _drop_pool() -> None:
    """Forget a broken pool; one that it was just starting as it broke would be waited for at the end, for ever."""
    processes = list(_pool()._processes.values())
    _pool.cache_clear()
    for process in processes:
        process.kill()


def _joined(part: Files, pieces: list[Future[Array]]) -> tuple[Tensor, Tensor]:
    """Put the pieces of a batch together, on a CUDA device through pinned memory while it computes."""
    device = part.labels.device
    batch = torch.empty((len(part), *part.shape), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for place, piece in zip(torch.split(batch, PIECE), pieces, strict=True):
        place.copy_(torch.from_numpy(piece.result()))
    return batch.to(device, non_blocking=True), part.labels
