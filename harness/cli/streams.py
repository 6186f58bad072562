"""Output that nobody reads, as in `| head` or `2>&-`, neither ends a command nor changes its exit code."""

import io
import os
import sys
from typing import Any


class _Unread(io.FileIO):
    """A stream whose reader may go: what is written from then on is dropped."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return len(data)


def let_readers_go() -> None:
    """Drop what is written into a closed stream, and into a pipe whose reader has gone. Redirected streams stay."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:  # a file of results must not take the number of stderr
        pass
    os.close(free)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None or stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _forgiving(number, stream))


def _forgiving(number: int, stream: Any) -> io.TextIOWrapper:
    if stream is not None:
        stream.flush()
    encoding, errors = (stream.encoding, stream.errors) if stream is not None else ("utf-8", "backslashreplace")
    raw = io.BufferedWriter(_Unread(number, "w", closefd=False))
    return io.TextIOWrapper(
        raw, encoding, errors, line_buffering=number == 2 or raw.isatty(), write_through=number == 2
    )
