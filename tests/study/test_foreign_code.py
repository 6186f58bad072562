"""Foreign code that would end the run, or change the process, in a real run: its cells fail by name, others go on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.errors import UserError
from prunebench.plugins.registry import load_registry
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import note, run
from prunebench.study.store import Store

Make = Callable[..., Any]
PLUGIN = """
import os, sys
from dataclasses import dataclass
import torch
from torch import nn
from prunebench import Attached, Criterion, Loaded, Dataset, Model, Penalty

def fine(weight):
    return weight.norm(dim=1)

def leaves(weight):
    sys.exit(0)

def killed(weight):
    os._exit(0)

class Stops(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()
    @staticmethod
    def backward(ctx, gradient):
        sys.exit(0)

class Working(Attached):
    parameters, rate_factor = [], 1.0
    def __init__(self, where, network):
        self.where, self.steps, self.weight = where, 0, next(network.model.parameters())
        self.at("attach")
    def at(self, where):
        if where == self.where:
            sys.exit(0)
    def draw(self):
        self.at("draw")
    def penalty(self):
        self.steps += 1
        if self.where == "later" and self.steps == 4:
            torch.backends.mkldnn.enabled = False
        if self.where == "dtype":
            torch.set_default_dtype(torch.float64)
        self.at("penalty")
        term = 1e-4 * self.weight.square().sum()
        return Stops.apply(term) if self.where == "backward" else term
    def measure(self):
        self.at("measure")
        return 1e-4 * self.weight.square().sum()
    def detach(self):
        self.at("detach")
        return {}

@dataclass(frozen=True)
class Rule:
    strength: float = 1.0
    where: str = ""
    def attach(self, network, generator):
        return Working(self.where, network)

class Net(nn.Sequential):
    def __init__(self, where, *layers):
        super().__init__(*layers)
        self.where, self.calls = where, 0
    def forward(self, pictures):
        self.calls += 1
        late = self.calls > 8
        if self.where == "forward" and late:
            sys.exit(0)
        if self.where == "interrupt" and late:
            raise KeyboardInterrupt
        if self.where == "setting" and late:
            torch.backends.mkldnn.enabled = False
        return super().forward(pictures)

built = []

def net(channels, size, classes, *, where=""):
    built.append(where)
    if where == "factory" and built.count(where) > 1:
        sys.exit(0)
    layers = nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * (size - 2) ** 2, classes)
    return Net(where, *layers)

FINE, LEAVES, KILLED = Criterion(fine), Criterion(leaves), Criterion(killed)
RULED, NET = Criterion(fine, name="ruled", regulariser=Rule()), Model(net)
"""
SETTING = "changes torch's flag mkldnn.enabled during the training; it must change no global state"


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "foreign.py"
    path.write_text(PLUGIN)
    return str(path)


def reasons(spec: Any) -> dict[str, str]:
    found = run(make_grid(spec), Progress())
    return {record.cell.criterion: record.reason for record in found}


def test_a_criterion_that_leaves_fails_alone(tiny: Make, tmp_path: Path, plugin: str) -> None:
    places = ("attach", "draw", "penalty", "measure", "detach", "backward", "later", "dtype")
    ruled = [f"ruled:where={place}" for place in places]
    found = reasons(
        tiny(tmp_path / "r", criteria=("leaves", *ruled, "fine"), keep="0.9", plugin=plugin, rung_epochs=0, epochs=1)
    )
    assert found.pop("fine") == ""
    assert found.pop("leaves").startswith("criterion 'leaves' on layer 'conv1' failed: SystemExit: 0 (foreign.py:")
    assert found.pop("ruled:where=later") == f"the network's forward pass or regulariser 'Rule' {SETTING}"
    assert found.pop("ruled:where=dtype").startswith("regulariser 'Rule' changes torch's default type; a regulariser ")
    assert set(found) == set(ruled) - {"ruled:where=later", "ruled:where=dtype"}
    assert {reason.partition(" (")[0] for reason in found.values()} == {"regulariser 'Rule' failed: SystemExit: 0"}
    assert torch.get_default_dtype() == torch.float32 and torch.backends.mkldnn.enabled


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("factory", "model 'net:where=factory' failed: SystemExit: 0 (foreign.py:"),
        ("forward", "failed: SystemExit: 0 (foreign.py:"),
        ("interrupt", "failed: KeyboardInterrupt (foreign.py:"),
        ("setting", f"the network's forward pass {SETTING}"),
    ],
)
def test_a_network_that_leaves_fails_its_cells(
    tiny: Make, tmp_path: Path, plugin: str, where: str, reason: str
) -> None:
    models = (f"net:where={where}", "lenet5")
    found = run(make_grid(tiny(tmp_path / "r", models=models, criteria="fine", keep="0.9", plugin=plugin)), Progress())
    by_model = {record.cell.model: record for record in found}
    assert by_model["lenet5"].status == "ok"
    assert reason in by_model[f"net:where={where}"].reason
    assert torch.backends.mkldnn.enabled


@pytest.mark.slow
def test_in_worker_processes_too(tiny: Make, tmp_path: Path, plugin: str) -> None:
    spec = tiny(tmp_path / "r", criteria=("leaves", "fine"), keep="0.9", plugin=plugin, workers=2)
    found = reasons(spec)
    assert found["fine"] == "" and "SystemExit: 0 (foreign.py:" in found["leaves"]
    found = reasons(tiny(tmp_path / "r", criteria=("killed", "fine"), keep="0.7", plugin=plugin, workers=2))
    cause = "rung 1: was ended with code 0 by its own code, as by os._exit (foreign.py:15)"
    assert found == {"killed": cause, "fine": ""}


NOTING = """
import sys
from pathlib import Path
from prunebench.records.requested import Requested, RequestedTrajectories
from prunebench.study.run import note
from prunebench.study.spec import make_spec
from prunebench.study.store import Store

store, name = Store(Path(sys.argv[1])), sys.argv[2]
spec = make_spec({"results": sys.argv[1]})
input()
for number in range(60):
    one = RequestedTrajectories(dataset="digits", model="lenet5", criterion=f"{name}{number}", seeds=(0,))
    note(store, spec, Requested(ranking="local", metric="macs", keeps=(0.5,), trajectories=(one,)))
"""


def test_two_runs_of_one_folder_both_note_what_they_ask(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", NOTING, str(tmp_path), name] for name in "ab"]
    runs = [subprocess.Popen(command, stdin=subprocess.PIPE) for command in commands]
    time.sleep(5)
    for one in runs:  # at the same time
        assert one.stdin is not None
        one.stdin.write(b"\n")
        one.stdin.flush()
    for one in runs:
        one.communicate()
    asked = json.loads((tmp_path / "run.json").read_text())["asked"]
    names = {one["trajectories"][0]["criterion"] for one in asked}
    assert names == {f"{name}{number}" for name in "ab" for number in range(60)}


def test_a_folder_that_cannot_be_written_is_one_line(tiny: Make, tmp_path: Path) -> None:
    store = Store(tmp_path)
    if os.geteuid() == 0:
        (tmp_path / "stages" / "run.lock").mkdir()  # root may write anywhere
    else:
        (tmp_path / "stages").chmod(0o500)
    with pytest.raises(UserError, match=r"run.json: cannot be written: .*; give another folder with --results"):
        note(store, tiny(tmp_path))


EDITING = """
from pathlib import Path
from prunebench import Criterion

def mine(weight):
    return weight.norm(dim=1)

MINE = Criterion(mine)
"""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_plugin_that_is_edited_while_it_runs(tiny: Make, tmp_path: Path, workers: int) -> None:
    """The file is edited between its import and the first key, and the new text would fail."""
    path, options = tmp_path / "mine.py", {"criteria": "mine", "keep": "0.9", "seeds": "0-1", "rung_epochs": 0}
    path.write_text(EDITING)
    spec = tiny(tmp_path / "one", plugin=str(path), **options)
    expected = [(record.key, record.accuracy) for record in run(make_grid(spec), Progress())]
    load_registry.cache_clear()
    grid = make_grid(tiny(tmp_path / "two", plugin=str(path), workers=workers, **options))
    path.write_text(EDITING.replace("weight.norm(dim=1)", "weight.nothing"))
    records = run(grid, Progress())
    assert [record.status for record in records] == ["ok", "ok"]
    assert [(record.key, record.accuracy) for record in records] == expected
