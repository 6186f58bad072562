"""What all tests share: one thread, the command line, a tiny protocol on digits, one finished results folder."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from prunebench.cli import main
from prunebench.records.fidelity import Fidelity, Ranked, ScoreRequest
from prunebench.records.packed import Packed
from prunebench.records.record import Record, read_record
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

ROOT = Path(__file__).parents[1]
Make = Callable[..., Spec]
Command = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Computed:
    """A finished run. trained: the stages that were trained, in order."""

    spec: Spec
    records: dict[tuple[str, float], Record]
    trained: list[str]


@cache
def load_script(place: str) -> ModuleType:
    """Load a Python file of the checkout that is no part of the package. place: its path from the root."""
    name = place.removesuffix(".py").replace("/", "_")
    spec = spec_from_file_location(name, ROOT / place)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


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


def with_others(folder: Path) -> None:
    """Add latencies, a choice and a fidelity to a results folder."""
    record = read_record(next(folder.rglob("*macs0.5*.json")))
    setting = {"key": record.key, "machine": "m", "backend": "eager", "batch": 64, "threads": 1}
    latency = setting | {"dense_seconds": 2.0, "pruned_seconds": 1.0, "ratios": [2.0, 2.1], "speedup": 2.0}
    task = "digits x lenet5"
    choice = {"task": task, "criterion": "l1:strength=tuned", "metric": "macs", "keeps": [0.5], "seeds": [1000]}
    choice |= {"value": 0.1, "validation": {"0.1": 0.9, "1": None}, "trials": 2, "seconds": 1.0, "ineffective": [0.1]}
    numbers = Packed.pack([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "float64")
    group = Ranked(units=tuple(range(6)), of=9, halves=(numbers, numbers), scores=numbers)
    cell = ScoreRequest(dataset="digits", model="lenet5", criterion="obd", seed=0)
    found = Fidelity(
        key="f", cell=cell, protocol={"epochs": 3}, fingerprint="f", pictures=(3, 3), groups={"conv1": group}
    )
    for place, data in (
        ("timing/m-eager.json", {"schema_version": 3, "latencies": [latency | {"low": 1.9, "high": 2.1}]}),
        ("choices/strength-k.json", choice),
        ("fidelity/digits-lenet5/obd/seed0-f.json", found.model_dump(mode="json")),
    ):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(json.dumps(data))


@pytest.fixture(scope="session")
def add_others() -> Callable[[Path], None]:
    """Give `with_others`: tests cannot import a conftest."""
    return with_others


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line; gives exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prunebench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main.main()
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
