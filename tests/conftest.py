"""What all tests share: one thread, the command line, a tiny protocol on digits, one finished results folder."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.cli import app
from prunebench.records.record import Record
from prunebench.study import trajectory
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run
from prunebench.study.spec import Spec, make_spec

TINY = {
    "datasets": "digits",
    "models": "lenet5",
    "seeds": "0",
    "device": "cpu",
    "epochs": 3,
    "rate": 0.05,
    "sparse_epochs": 1,
    "rung_epochs": 1,
    "finetune_epochs": 1,
    "train_fraction": 0.4,
    "calibration": 64,
    "save": "all",
}
CRITERIA = ("magnitude", "random", "l1", "shuffle:magnitude", "scratch:magnitude", "dense_continued")
KEEPS = (0.9, 0.7, 0.5, 0.3)

Make = Callable[..., Spec]
Command = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Computed:
    """A finished run. trained: the stages that were trained, in order."""

    spec: Spec
    records: dict[tuple[str, float], Record]
    trained: list[str]


@pytest.fixture(scope="session")
def tiny() -> Make:
    """Make a spec: tiny, for a results folder, with some options changed."""

    def make(results: Path, **changes: Any) -> Spec:
        return make_spec(TINY | {"results": results} | changes)

    return make


def compute(spec: Spec, kill_at: str = "") -> Computed:
    """Run a spec and note what was trained. kill_at: interrupt it before it trains this stage."""
    trained: list[str] = []

    def train(network: Any, data: Any, settings: Any, *others: Any) -> Any:
        if settings.stage == kill_at:
            raise KeyboardInterrupt
        trained.append(settings.stage)
        return original(network, data, settings, *others)

    original = trajectory.train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trajectory, "train", train)
        records = run(make_grid(spec), Progress())
    return Computed(spec, {(r.cell.criterion, r.cell.keep): r for r in records}, trained)


@pytest.fixture(scope="session")
def computing() -> Callable[..., Computed]:
    """Give `compute`: tests cannot import a conftest."""
    return compute


@pytest.fixture(scope="session")
def computed(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Computed:
    """Give a finished run of criteria and controls at four keeps."""
    keep = "macs=" + ",".join(map(str, KEEPS))
    return compute(tiny(tmp_path_factory.mktemp("computed"), criteria=CRITERIA, keep=keep))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line; gives exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prunebench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        found = capsys.readouterr()
        return int(stop.value.code or 0), found.out, found.err

    return run


@pytest.fixture
def refused(command: Command) -> Callable[..., str]:
    """Run a command line that is refused; gives its one line of error."""

    def run(*arguments: object) -> str:
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("prunebench: error: ") and err.count("\n") == 1
        return err

    return run


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep torch from using more threads than a busy machine has cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
