"""Computes many tiny cells in one process and watches its memory and open files: python -P docs/soak.py.

Prints resident memory and the number of open files, the median of every tenth of the run. The first tenth warms up.
Exit code 1 where the last tenth has 5 % more memory than the second, or more open files.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tabulate import tabulate

from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress, Result
from prunebench.study.run import run
from prunebench.study.spec import make_spec

CRITERIA, KEEPS = ("magnitude", "taylor", "obd", "l1", "random"), "macs=0.9,0.7,0.5,0.3"
OPTIONS = {
    "datasets": "digits",
    "models": "lenet5",
    "criteria": CRITERIA,
    "keep": KEEPS,
    "device": "cpu",
    "epochs": 1,
    "sparse_epochs": 1,
    "rung_epochs": 0,
    "finetune_epochs": 1,
    "train_fraction": 0.05,
    "calibration": 64,
}
EACH_SEED = 20  # cells
MOST = 1.05  # memory at the end, as a multiple of that after the warm-up
PARTS = 10


class Look(NamedTuple):
    """Resident bytes and open files of this process."""

    memory: float
    files: float


class Watch(Progress):
    """Progress that looks at this process after every trajectory."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[Look] = []

    def finished(self, name: str, results: Sequence[Result]) -> None:
        """Note memory and open files."""
        assert [one.summary() for one in results if one.status != "ok"] == []
        self.looks.append(look())


def look() -> Look:
    """Read memory and open files from /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Look(pages * os.sysconf("SC_PAGE_SIZE"), len(list(Path("/proc/self/fd").iterdir())))


def soak(cells: int, folder: Path) -> list[Look]:
    """Compute cells. Returns the medians of each tenth of the trajectories."""
    spec = make_spec(OPTIONS | {"results": folder, "seeds": f"0-{max(1, cells // EACH_SEED) - 1}"})
    watch = Watch()
    run(make_grid(spec), watch)
    size = max(1, len(watch.looks) // PARTS)
    parts = [watch.looks[start : start + size] for start in range(0, size * PARTS, size)]
    return [Look(median(one.memory for one in part), median(one.files for one in part)) for part in parts if part]


def flat(parts: Sequence[Look]) -> bool:
    """Tell whether memory and open files stay from the second tenth on.

    >>> flat([Look(1, 9), Look(100, 9), Look(104, 9)]), flat([Look(1, 9), Look(100, 9), Look(106, 9)])
    (True, False)
    """
    return parts[-1].memory <= MOST * parts[1].memory and parts[-1].files <= parts[1].files


def main() -> None:
    """Read the options and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts = soak(given.cells, Path(folder))
    rows = [(number, f"{part.memory / 2**20:.1f}", f"{part.files:g}") for number, part in enumerate(parts, 1)]
    print(tabulate(rows, ["tenth", "MiB", "open files"], "simple"))
    sys.exit(not flat(parts))


if __name__ == "__main__":
    main()
