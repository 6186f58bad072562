"""Derive a generator for every random draw from the block's seed and the purpose of the draw."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

TUNING_SEEDS, RACE_SEEDS = 1000, 2000  # the first seeds of tunings, and of the race of `choose`; comparisons begin at 0


def derive(seed: int, *purpose: object) -> int:
    """Derive a 63-bit seed for one purpose; equal arguments give equal seeds on every machine.

    >>> derive(0, "split") == derive(0, "split") != derive(0, "order")
    True
    """
    digest = hashlib.sha256(repr((seed, *map(str, purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *purpose: object) -> torch.Generator:
    """Make a seeded CPU generator for one purpose."""
    return torch.Generator().manual_seed(derive(seed, *purpose))


@contextmanager
def seeded(seed: int, *purpose: object) -> Iterator[None]:
    """Seed the global generators of torch (initialisation, dropout), NumPy and Python inside; restore them afterwards.

    The project draws from torch's alone. The code of a user's network may draw from the others.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        numpy_state, python_state = np.random.get_state(), random.getstate()
        torch.manual_seed(derive(seed, *purpose))
        np.random.seed(derive(seed, *purpose, "numpy") % 2**32)
        random.seed(derive(seed, *purpose, "python"))
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
