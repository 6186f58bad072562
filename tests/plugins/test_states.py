"""Whatever global state foreign code changes, wherever it stands: the state is named and put back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.errors import CellError, UserError
from prunebench.plugins import guard
from prunebench.plugins.dataset import Source
from prunebench.plugins.guard import all_states
from prunebench.plugins.registry import Registry
from prunebench.scoring.score import score
from prunebench.study.task import load_dataset
from prunebench.testing import toys
from prunebench.training.term import attach

CPU = torch.device("cpu")
CHANGES = {
    "torch.rand(1)": "torch's global random state",
    "torch.manual_seed(5)": "torch's global random state",
    "numpy.random.rand()": "NumPy's global random state",
    "random.seed(3)": "Python's global random state",
    "torch.set_flush_denormal(True)": "torch's treatment of denormal numbers",
    "torch.backends.mkldnn.enabled = False": "torch's flag mkldnn.enabled",
    "torch.backends.mkldnn.deterministic = True": "torch's flag mkldnn.deterministic",
    "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'": "torch's float32 precision",
    "torch.backends.fp32_precision = 'tf32'": "torch's float32 precision",
    "torch.backends.cudnn.enabled = False": "torch's flag cudnn.enabled",
    "torch.backends.cudnn.benchmark = True": "torch's flag cudnn.benchmark",
    "torch.backends.cudnn.allow_tf32 = not torch.backends.cudnn.allow_tf32": "torch's float32 precision",
    "torch.backends.cuda.matmul.allow_tf32 = True": "torch's float32 precision",
    "torch.backends.nnpack.set_flags(False)": "torch's NNPACK",
    "torch.set_float32_matmul_precision('medium')": "torch's float32 precision",
    "torch.use_deterministic_algorithms(True, warn_only=True)": "torch's deterministic algorithms",
    "torch.set_default_dtype(torch.float64)": "torch's default type",
    "torch.set_default_device('meta')": "torch's default device",
    "torch.device('meta').__enter__()": "torch's default device",
    "torch.set_num_threads(torch.get_num_threads() + 1)": "torch's number of threads",
    "torch.autograd.set_detect_anomaly(True)": "torch's anomaly detection",
    "torch.set_grad_enabled(not torch.is_grad_enabled())": "torch's gradient mode",
    "kept.append(torch.inference_mode()); kept[-1].__enter__()": "torch's inference mode",
    "torch.set_autocast_enabled('cpu', True)": "torch's autocast",
    "torch.nn.modules.module.register_module_forward_hook(print)": "torch's hooks of all modules",
    "os.chdir('/')": "the working directory",
    "os.environ['OMP_NUM_THREADS'] = '7'": "os.environ",
    "os.environ.pop('PATH', None)": "os.environ",
    "os.umask(0o777)": "the file mode mask",
    "signal.signal(signal.SIGINT, signal.SIG_IGN)": "a signal handler",
    "signal.signal(signal.SIGTERM, lambda *_: None)": "a signal handler",
    "warnings.simplefilter('ignore')": "the warnings filters",
    "warnings.showwarning = print": "the warnings filters",
    "numpy.seterr(all='raise')": "NumPy's treatment of errors",
    "logging.disable(logging.CRITICAL)": "the log's level",
    "logging.getLogger('prunebench').setLevel(60)": "the log's level",
    "sys.stdout = kept": "sys.stdout or sys.stderr",
    "sys.setrecursionlimit(5000)": "the limit of recursion",
    "gc.disable()": "garbage collection",
}
PLUGIN = """
import gc, logging, os, random, signal, sys, warnings
import numpy, torch
from prunebench import Attached, Criterion, Dataset, Loaded, Model, Penalty, Pictures

kept = []

def change():
    {change}

def sly(weight):
    change()
    return weight.norm(dim=1)

class Attaching(Attached):
    parameters, rate_factor = [], 1.0
    def __init__(self, place, network):
        self.place, self.weight = place, next(network.model.parameters())
        self.at("attach")
    def at(self, place):
        if place == self.place:
            change()
    def draw(self):
        self.at("draw")
    def penalty(self):
        self.at("penalty")
        return self.weight.square().sum()
    def measure(self):
        self.at("measure")
        return self.weight.square().sum()
    def detach(self):
        self.at("detach")
        return {{}}

class Rule:
    strength = 1.0
    def __init__(self, place):
        self.place = place
    def attach(self, network, generator):
        return Attaching(self.place, network)

def net(channels, size, classes):
    change()
    return torch.nn.Linear(channels * size ** 2, classes)

def pictures(count):
    return Pictures(torch.zeros(count, 1, 4, 4, dtype=torch.uint8, device="cpu"), torch.arange(count, device="cpu") % 2)

def data(source):
    change()
    return Loaded(pictures(4), pictures(2), ("a", "b"), (0.5,), (0.2,))

SLY, NET, DATA = Criterion(sly), Model(net), Dataset(data)
if __name__.endswith("_imported"):
    change()
"""
Make = Callable[..., Registry]

torch.use_deterministic_algorithms(False)  # its first call imports sympy, which adds a filter of warnings


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def registry(change: str, name: str = "plugin") -> Registry:
        path = tmp_path / f"{name}.py"
        path.write_text(PLUGIN.format(change=change))
        return Registry((str(path),))

    return registry


@pytest.fixture(autouse=True)
def _unchanged() -> Iterator[None]:
    """Expect all global states as they were, and put them back for the other tests."""
    guard._warn.cache_clear()
    drawn = ("os.environ", "torch's global random state")  # pytest names its phases; initial weights are drawn
    states = [state for state in all_states(CPU) if state.name not in drawn]
    before = {state.name: state.read() for state in states}
    with guard.keeping(all_states(CPU)):
        yield
        after = {state.name: state.read() for state in states}
        assert [name for name in before if before[name] != after[name]] == []


def module(registry: Registry) -> Any:
    import sys

    return sys.modules[registry.criteria["sly"].plugin.score.__module__]


@pytest.mark.parametrize("change", [change for change in CHANGES if "grad_enabled" not in change])
def test_a_score_fails(make: Make, change: str) -> None:
    criterion = make(change).criteria["sly"].plugin
    with pytest.raises(CellError, match=r"^criterion 'sly' changes .*; a score must change nothing and draw") as error:
        score(criterion, toys.chain(), [], torch.Generator())
    assert CHANGES[change] in str(error.value)


@pytest.mark.parametrize("change", CHANGES)
def test_a_regulariser_fails_wherever_it_changes_it(make: Make, change: str) -> None:
    rules = module(make(change)).Rule
    for place in ("attach", "draw", "penalty", "measure", "detach"):
        fails(rules(place), place, CHANGES[change])


def fails(rule: Any, place: str, state: str) -> None:
    with pytest.raises(CellError, match=r"^regulariser 'Rule' changes .*; a regulariser must ") as error:
        attached = attach(rule, toys.chain(), torch.Generator())
        getattr(attached, place)()
    assert state in str(error.value)


@pytest.mark.parametrize("change", CHANGES)
def test_a_factory_is_warned_of(make: Make, change: str, caplog: pytest.LogCaptureFixture) -> None:
    model, random = make(change).models["net"].plugin, "random state" in CHANGES[change]
    with guard.keeping(all_states(CPU)):  # a factory may draw: the harness seeds what it draws from
        if "manual_seed" in change:
            with pytest.raises(UserError, match=r"^model 'net' sets torch's seed, so all seeds of a run would begin"):
                model(1, 4, 2)
            return
        model(1, 4, 2)
    assert (f"model 'net' changes {CHANGES[change]}" in caplog.text) == (not random)


@pytest.mark.parametrize("change", CHANGES)
def test_a_dataset_is_warned_of(make: Make, change: str, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    make(change)
    load_dataset("data", Source(tmp_path), (str(tmp_path / "plugin.py"),))
    random = "random state" in CHANGES[change]
    assert (f"dataset 'data' changes {CHANGES[change]}" in caplog.text) == (not random)


@pytest.mark.parametrize("change", CHANGES)
def test_an_import_is_warned_of(make: Make, change: str, caplog: pytest.LogCaptureFixture) -> None:
    before = torch.get_rng_state()
    make(change, "imported")
    assert torch.equal(before, torch.get_rng_state())
    assert f"imported.py: its import changes {CHANGES[change]}" in caplog.text
