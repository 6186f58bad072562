"""Kills a run at random moments and resumes it each time: python -P docs/kill_runs.py --kills 200 --workers 2.

With `--address`, the workers are those of a Ray cluster, such as `ray start --head` starts. The cluster stays. Ray ends
the workers of a run that is killed.

A run that comes to its end is compared with an uninterrupted one: facts of records, digests of networks, bit for bit.
Then a new one begins, until the number of kills is reached. The results folder may hold nothing that a kill left.

Every run starts as a fork of this process, which has loaded torch and the task; so a restart costs milliseconds. Worker
processes are forks, too. A kill (SIGKILL) hits all processes of the run, or the first alone: its workers must end then.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from prunebench.records.record import read_record
from prunebench.records.stage import read_stage_facts
from prunebench.study import workers
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run
from prunebench.study.spec import Spec, make_spec

FORK = multiprocessing.get_context("fork")
OPTIONS = {
    "datasets": "digits",
    "models": "lenet5",
    "criteria": ("magnitude", "l1"),
    "seeds": "0",
    "keep": "macs=0.7,0.5",
    "device": "cpu",
    "epochs": 1,
    "sparse_epochs": 1,
    "rung_epochs": 1,
    "finetune_epochs": 1,
    "train_fraction": 0.2,
    "calibration": 64,
    "save": "all",
}
LEFT = ("*.part", "*.lock", "*.damaged")  # what no run may leave
LATEST = 0.5  # the latest kill, as a share of the seconds of an uninterrupted run


class Outcome(NamedTuple):
    """Numbers of kills, of runs that came to their end, and of those among them that had been killed before."""

    kills: int
    finished: int
    resumed: int


def kill_runs(kills: int, folder: Path, count: int = 1, seed: int = 0, address: str = "") -> Outcome:
    """Kill runs of `count` workers in a folder. Raises `AssertionError` where anything is lost or left.

    address: of a Ray cluster that computes; else processes of this machine do.
    """
    draws, engine = random.Random(seed), {"engine": "ray", "address": address} if address else {}
    shared = OPTIONS | {"workers": count, **engine}
    whole, spec = (make_spec(shared | {"results": folder / name}) for name in ("whole", "killed"))
    make_grid(whole)  # prepares the task once, for all forks
    began = time.monotonic()
    _end(_started(whole))
    seconds, wanted = time.monotonic() - began, contents(whole.results)
    killed = finished = resumed = here = 0
    while killed < kills:
        process = _started(spec)
        process.join(draws.uniform(0, LATEST * seconds))
        if process.is_alive():
            _kill(process, all_of_them=draws.random() < 0.5)
            killed, here = killed + 1, here + 1
            continue
        finished, resumed, here = finished + 1, resumed + bool(here), 0
        _check(process, spec, wanted)
    _check(_started(spec), spec, wanted)
    return Outcome(killed, finished + 1, resumed + bool(here))


def contents(results: Path) -> dict[str, object]:
    """Give what repeats bit for bit: facts of all records, and digests of all networks."""
    records = {path.name: read_record(path).facts() for path in (results / "records").rglob("*.json")}
    digests = {path.parent.name: read_stage_facts(path.parent).digest for path in results.glob("stages/*/facts.json")}
    return {**records, **digests}


def _started(spec: Spec) -> BaseProcess:
    process = FORK.Process(target=_run, args=(spec,))
    process.start()
    return process


def _run(spec: Spec) -> None:
    os.setsid()
    workers.process_context, workers.start_server = lambda: FORK, lambda: None
    records = run(make_grid(spec), Progress(), command="kill_runs", careful=True)  # as the command does
    assert [one.reason for one in records if one.status != "ok"] == []


def _kill(process: BaseProcess, all_of_them: bool) -> None:
    assert process.pid is not None
    with suppress(ProcessLookupError):  # it has no group of its own yet
        if all_of_them:
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _end(process: BaseProcess) -> None:
    process.join()
    assert process.exitcode == 0, f"a run ended with code {process.exitcode}"


def _check(process: BaseProcess, spec: Spec, wanted: dict[str, object]) -> None:
    """Check what a run has left, and that the run after it, which computes nothing, leaves nothing of kills."""
    _end(process)
    _end(_started(spec))
    found = contents(spec.results)
    unlike = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    assert not unlike, f"other than without kills: {unlike}"
    assert not (left := list(_left(spec.results))), f"left by kills: {left}"
    shutil.rmtree(spec.results)


def _left(results: Path) -> Iterator[Path]:
    for pattern in LEFT:
        yield from results.rglob(pattern)


def main() -> None:
    """Read the options and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--address", default="", help="HOST:PORT of a Ray cluster")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_runs(given.kills, Path(folder), given.workers, given.seed, given.address)
    print(f"{found.kills} kills; {found.finished} runs came to their end, {found.resumed} of them after kills")
    print("lost: nothing; left over: nothing")


if __name__ == "__main__":
    main()
