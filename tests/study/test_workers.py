"""Worker processes that crash, hang or are killed: the cell fails by name, and all others are finished."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.plugins.registry import Registry
from prunebench.processes import time_limit, without_main
from prunebench.study.at_work import Step
from prunebench.study.grid import Job, make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run
from prunebench.study.store import Store
from prunebench.study.worker import place_in
from prunebench.study.workers import Workers, _cause

Make = Callable[..., Any]
PLUGIN = """
import ctypes, os, signal
from prunebench import Criterion

def exits(weight):
    os._exit(3)

def segfaults(weight):
    ctypes.string_at(0)

def killed(weight):
    os.kill(os.getpid(), signal.SIGKILL)

def hangs(weight):
    while True:
        pass

def fine(weight):
    return weight.norm(dim=1)

EXITS, SEGFAULTS, KILLED, HANGS, FINE = map(Criterion, (exits, segfaults, killed, hangs, fine))
"""
BAD = {
    "exits": "rung 1: was ended with code 3 by its own code, as by os._exit (deadly.py:6)",
    "segfaults": "rung 1: crashed (SIGSEGV) (deadly.py:9)",
    "killed": "rung 1: was killed, perhaps for lack of memory",
    "hangs": "rung 1: took longer than 30 s (--cell-timeout) (deadly.py:",
}


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "deadly.py"
    path.write_text(PLUGIN)
    return str(path)


def check(tiny: Make, computing: Any, tmp_path: Path, plugin: str, bad: tuple[str, ...], **options: Any) -> None:
    shared = {"keep": "0.7,0.5", "plugin": plugin}
    spec = tiny(tmp_path / "r", criteria=(*bad, "fine"), **shared, **options)
    found = {(one.cell.criterion, one.cell.keep): one for one in run(make_grid(spec), Progress(), apart=True)}
    for name in bad:
        for keep in (0.7, 0.5):
            assert found[name, keep].reason.startswith(BAD[name]), (name, keep)
    alone = computing(tiny(tmp_path / "alone", criteria="fine", **shared))
    for cell, record in alone.records.items():
        assert found[cell].facts() == record.facts()
    again = run(make_grid(spec.model_copy(update={"retry_failed": False, "workers": 1, "cell_timeout": 0})), Progress())
    assert [one.status for one in again] == ["failed", "failed"] * len(bad) + ["ok", "ok"]


def test_one_worker_that_ends_itself(tiny: Make, computing: Any, tmp_path: Path, plugin: str) -> None:
    check(tiny, computing, tmp_path, plugin, ("exits",))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", [1, 2])
def test_all_ways_to_end_or_hang_a_worker(
    tiny: Make, computing: Any, tmp_path: Path, plugin: str, workers: int
) -> None:
    check(tiny, computing, tmp_path, plugin, tuple(BAD), workers=workers, cell_timeout=30)


def test_a_finished_grid_starts_no_worker(computed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunebench.study.workers.Workers._started", lambda _: pytest.fail("started"))
    records = run(make_grid(computed.spec.model_copy(update={"workers": 2})), Progress())
    assert {(r.cell.criterion, r.cell.keep): r for r in records} == computed.records


def test_after_a_kill_one_worker_is_used_once(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What killed the last run, such as memory, may come again."""
    spec, used = tiny(tmp_path, criteria="magnitude", keep="0.9", rung_epochs=0), []
    monkeypatch.setattr("prunebench.study.run.Workers", lambda grid, *_: used.append(grid.jobs) or ())
    (Store(tmp_path).folder / "stages" / "key.lock").touch()
    with pytest.raises(KeyError):  # nobody has computed the job
        run(make_grid(spec), Progress(), careful=True)
    assert len(used) == 1
    (Store(tmp_path).folder / "stages" / "key.lock").touch()  # a script that calls is not imported by a worker
    assert run(make_grid(spec), Progress())[0].status == "ok"
    assert len(used) == 1


def died(workers: Workers, job: Job | None, step: Step | None, ready: bool) -> None:
    worker = SimpleNamespace(job=job, step=step, ready=ready, end=lambda: None)
    workers.workers.append(worker)  # type: ignore[arg-type]
    workers._died(worker, "was killed, perhaps for lack of memory", "")  # type: ignore[arg-type]
    assert worker not in workers.workers


def test_the_death_of_a_worker_ends_the_run_only_where_it_would_come_again(
    tiny: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workers = Workers(make_grid(tiny(tmp_path, criteria="magnitude")), None, Progress())
    job = workers.jobs.popleft()
    died(workers, None, None, ready=True)  # idle
    assert not workers.failed and not workers.jobs
    died(workers, job, None, ready=False)  # as where it waits for another worker's dense training
    assert not workers.failed and list(workers.jobs) == [job]
    with pytest.raises(UserError, match=r"was killed.* while it prepared digits x lenet5 \| magnitude \| seed 0"):
        died(workers, job, None, ready=False)
    with pytest.raises(UserError, match="while it started"):
        died(workers, None, None, ready=False)
    died(workers, job, Step("key", "rung 1"), ready=False)
    assert workers.failed == {"key": "rung 1: was killed, perhaps for lack of memory"}


def test_errors_of_input_end_the_run_as_without_workers(tiny: Make, tmp_path: Path) -> None:
    grid = make_grid(tiny(tmp_path / "r", criteria="magnitude", workers=2))
    (tmp_path / "r" / "records").parent.mkdir()
    (tmp_path / "r" / "records").write_text("a file")
    with pytest.raises(UserError, match=r"records.*: cannot be written: "):
        run(grid, Progress())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "was ended with code 0 by its own code, as by os._exit"),
        (-9, "was killed, perhaps for lack of memory"),
        (-15, "was ended by SIGTERM"),
        (-11, "crashed (SIGSEGV)"),
        (-99, "was ended by signal 99"),
    ],
)
def test_how_a_process_ended(code: int, words: str) -> None:
    assert _cause(code) == words


def test_the_place_is_the_innermost_line_of_foreign_code() -> None:
    own, library = Path(Registry.__init__.__code__.co_filename), Path(os.__file__)
    lines = [("<frozen x>", 1), (library, 2), (own, 3), ("/home/me/mine.py", 4), ("/home/me/other.py", 5)]
    text = "".join(f'  File "{file}", line {line} in f\n' for file, line in lines)
    assert place_in(text) == " (mine.py:4)"
    assert place_in("".join(text.splitlines(keepends=True)[:3])) == ""
    criterion = own.parents[1] / "criteria" / "taylor.py"
    assert place_in(f'  File "{criterion}", line 7 in taylor\n') == " (taylor.py:7)"


def test_a_plugin_that_takes_for_ever_to_import_is_named(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("while True:\n    pass\n")
    before = signal.getsignal(signal.SIGALRM)
    said = refused("run", "--plugin", tmp_path / "slow.py", "--cell-timeout", 1, "--results", tmp_path / "r")
    assert "slow.py cannot be loaded: TimeoutError: took longer than 10 s (--cell-timeout) (slow.py:" in said
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize("seconds", [0, 50])
def test_a_limit_leaves_the_clock_as_it_was(seconds: int) -> None:
    before = signal.setitimer(signal.ITIMER_REAL, 200)
    with time_limit(seconds):
        assert (signal.getitimer(signal.ITIMER_REAL)[0] > 100) == (not seconds)
    assert 150 < signal.setitimer(signal.ITIMER_REAL, *before)[0] <= 200


def interrupted(folder: Path, ready: Callable[[int], object], times: int) -> tuple[int, str]:
    """Send Ctrl-C to a run with workers once it is ready, as a terminal does: to all processes of the group.

    Returns the exit code and the errors, once no process is left.
    """
    options = ["--results", str(folder / "r"), "--criteria", "magnitude", "--seeds", "0-99", "--workers", "2"]
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs inherit 'ignore'
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "prunebench", "run", *options],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
        preexec_fn=listen,
    )
    until = time.monotonic() + 120
    while not ready(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    _, err = process.communicate(timeout=60)
    until = time.monotonic() + 60
    while (left := running(process.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left
    return process.returncode, err


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_the_workers_without_tracebacks(tmp_path: Path, times: int) -> None:
    code, err = interrupted(tmp_path, lambda _: list((tmp_path / "r").glob("records/**/*.json")), times)
    assert code == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("prunebench: interrupted; finished points are kept")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no server")
def test_ctrl_c_while_the_server_imports_torch_shows_no_traceback(tmp_path: Path) -> None:
    def starting(group: int) -> bool:
        if len(running(group)) < 3:  # the run, Python's tracker of resources, and the server
            return False
        time.sleep(0.5)
        return True

    code, err = interrupted(tmp_path, starting, 1)
    assert code in (130, -signal.SIGINT)  # Python's own, where code that it runs from a text is interrupted
    assert "Traceback" not in err and "prunebench: interrupted" in err
    assert not (tmp_path / "r" / "records").exists()


def running(group: int) -> list[str]:
    """List the processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group, *_ = path.read_text().rpartition(")")[2].split()
            found += [path.parent.name] * (int(its_group) == group and state != "Z")
    return found


def test_main_is_put_back_where_a_start_fails() -> None:
    main = sys.modules["__main__"]
    with pytest.raises(OSError), without_main():
        assert sys.modules["__main__"] is not main
        raise OSError
    assert sys.modules["__main__"] is main
