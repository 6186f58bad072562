import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from prunebench.errors import CellError, UserError
from prunebench.models.lenet5 import MODEL
from prunebench.plugins.dataset import Source
from prunebench.records.protocol import Protocol
from prunebench.study.task import Task, load_dataset, make_task
from prunebench.training.evaluate import evaluate
from prunebench.training.train import TrainingSettings, train

CPU = torch.device("cpu")
PLUGIN = """
import torch
from PIL import Image
from torch import nn
from prunebench.data.loaded import Loaded
from prunebench.data.pictures import Pictures
from prunebench.plugins.dataset import Dataset
from prunebench.errors import CellError, UserError
from prunebench.plugins.model import Model

def wide(source):
    pictures = Pictures(torch.zeros(8, 1, 4, 6, dtype=torch.uint8), torch.arange(8) % 2)
    return Loaded(pictures, pictures, ("a", "b"), (0.0,), (1.0,))

def broken(source):
    raise KeyError("two\\nlines")

def exploding(channels, size, classes):
    raise ValueError("no such thing")

def picky(channels, size, classes):
    raise UserError("pictures too small")

def flat(channels, size, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))

class Auxiliary(nn.Module):
    def __init__(self, fails):
        super().__init__()
        self.fails = fails
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10))

    def forward(self, x):
        if self.training and self.fails:
            raise ValueError("boom")
        return (self.net(x), 0) if self.training else self.net(x)

def auxiliary(channels, size, classes, *, fails=False):
    return Auxiliary(fails)

AUXILIARY = Model(auxiliary)
WIDE, BROKEN = Dataset(wide), Dataset(broken)
EXPLODING, PICKY, FLAT = Model(exploding), Model(picky), Model(flat)
"""


def task(dataset: str = "digits", model: str = "lenet5", plugins: tuple[str, ...] = (), **options: Any) -> Task:
    return make_task(dataset, model, Protocol.model_validate(options), Source(Path("/nowhere")), plugins)


VIEWING = """
from torch import nn
from prunebench import Model

class Viewing(nn.Module):
    def __init__(self, deep):
        super().__init__()
        self.a, self.b, self.last = nn.Conv2d(1, 12, 3), nn.Conv2d(12, 16, 3), nn.Linear(256, 10)
        self.deep = nn.Conv3d(16, 16, 1) if deep else None

    def forward(self, x):
        x = self.b(self.a(x).relu())
        x = self.deep(x.unsqueeze(2)).squeeze(2) if self.deep else x
        return self.last(x.view(x.size(0), -1))

def viewing(channels, size, classes, *, deep=False):
    return Viewing(deep)

MODEL = Model(viewing, initialise=lambda model: None)
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    path = tmp_path_factory.mktemp("task") / "mine.py"
    path.write_text(PLUGIN)
    return (str(path),)


def test_the_familys_defaults_fill_what_was_not_given() -> None:
    given = task(epochs=2, weight_decay=0.0).protocol
    own = MODEL.training
    assert (given.epochs, given.batch, given.rate, given.weight_decay) == (2, own.batch, own.rate, 0.0)


@pytest.mark.parametrize(("optimiser", "weight_decay"), [("adam", 0.0), ("adamw", 0.01)])
def test_adaptive_optimisers_have_rates_of_their_own(optimiser: str, weight_decay: float) -> None:
    filled = task(optimiser=optimiser).protocol
    assert (filled.rate, filled.weight_decay, filled.batch) == (1e-3, weight_decay, MODEL.training.batch)
    assert task(optimiser=optimiser, rate=0.5).protocol.rate == 0.5


def test_a_task_is_made_once() -> None:
    assert task() is task()
    assert task(epochs=3) is not task()
    assert task(epochs=3).loaded is task().loaded


def test_a_seed_gives_the_same_dense_network_again() -> None:
    state = torch.get_rng_state()
    one, same, other = (task().fresh(seed, CPU).model.state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    for name in one:
        assert torch.equal(one[name], same[name])
        assert not torch.equal(one[name], other[name])
    assert one["conv2.weight"].is_contiguous(memory_format=torch.channels_last)


def test_the_facts_of_a_block() -> None:
    facts = task().facts(0, CPU, 1)
    assert facts == task().facts(0, CPU, 1)
    assert facts["fingerprint"] == load_dataset("digits", Source(Path("/nowhere")))[2]
    assert (facts["dataset"], facts["seed"], facts["device"]) == ("digits", 0, "cpu")
    assert facts != task().facts(1, CPU, 1)
    assert facts != task().facts(0, CPU, 2)  # threads decide the last digits
    assert task().facts(0, torch.device("cuda"), 1) == task().facts(0, torch.device("cuda"), 2)
    assert facts != task(model="vgg11_bn:width=0.125").facts(0, CPU, 1)


def test_what_the_model_is_built_for() -> None:
    assert task().shape == {"channels": 1, "size": 8, "classes": 10}
    assert task().costs.dense.macs == 8 * 8 * 20 * 25 + 4 * 4 * 50 * 20 * 25 + 500 * 200 + 10 * 500


@pytest.mark.parametrize(
    ("dataset", "model", "message"),
    [
        ("wide", "lenet5", "'wide' has pictures of 4 x 6 pixels; models need square pictures; give a size"),
        ("broken", "lenet5", "dataset 'broken' failed: KeyError: 'two.*lines'"),
        ("digits", "exploding", "model 'exploding' failed: ValueError: no such thing \\(mine.py:"),
        ("digits", "picky", "^pictures too small"),
        ("digits", "flat", "no layer whose units could be removed"),
    ],
)
def test_what_does_not_fit_is_one_line(plugin: tuple[str, ...], dataset: str, model: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        task(dataset, model, plugin)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("auxiliary", "it cannot be trained: it returns a tuple in training mode, not a tensor"),
        ("auxiliary:fails=true", "it cannot be trained: it fails in training mode: ValueError: boom"),
    ],
)
def test_a_network_that_cannot_be_trained_fails_alone(plugin: tuple[str, ...], model: str, fault: str) -> None:
    ready = task("digits", model, plugin)
    with pytest.raises(CellError, match=fault):
        ready.fresh(0, torch.device("cpu"))


@pytest.mark.parametrize("model", ["viewing", "viewing:deep=true", "lenet5"])
def test_one_memory_format_serves_a_network_everywhere(model: str, tmp_path: Path) -> None:
    (tmp_path / "viewing.py").write_text(VIEWING)
    ready = task("digits", model, (str(tmp_path / "viewing.py"),))
    network, data = ready.fresh(0, torch.device("cpu")), ready.data(0, torch.device("cpu"))
    expected = torch.channels_last if model == "lenet5" else torch.contiguous_format
    assert ready.memory_format == expected == data.train.memory_format == data.test.memory_format
    for size in (1, 8, 64):  # kernels choose the format of their output by the batch
        pictures, _ = data.train.batches(size)[0]
        assert pictures.is_contiguous(memory_format=expected)
        assert network.model.train()(pictures).shape == (size, 10)
    settings = TrainingSettings(stage="dense", epochs=1, rate=0.01, batch=64, weight_decay=0.0, seed=0)
    assert train(network, data, settings).curve and len(evaluate(network.model, data.test).correct) == len(data.test)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lenet5.pt"
    torch.save({f"module.{name}": torch.ones_like(value) for name, value in dense().items()}, path)
    return path


def dense(given: Task | None = None) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = (given or task()).fresh(0, CPU).model.state_dict()
    return state


def test_dense_networks_start_from_a_checkpoint(checkpoint: Path) -> None:
    ready = task(weights=str(checkpoint), epochs=0)
    assert all((value == 1).all() for value in dense(ready).values())
    assert re.fullmatch(r"lenet5\.pt [0-9a-f]{16}", ready.protocol.weights)
    assert ready.protocol.epochs == 0


def test_adam_starts_lower_from_trained_weights(checkpoint: Path) -> None:
    assert task(weights=str(checkpoint), epochs=1, optimiser="adam").protocol.rate == 1e-4


def test_a_new_classifier_does_not_come_from_the_checkpoint(checkpoint: Path) -> None:
    state = dense(task(weights=str(checkpoint), frozen_epochs=1))
    assert [name for name, value in state.items() if not (value == 1).all()] == ["fc2.weight", "fc2.bias"]
    assert torch.equal(state["fc2.weight"], dense()["fc2.weight"])


def test_colours_are_normalised_as_asked(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (8, 8), (number, 100, 200)).save(tmp_path / name / f"{number}.png")
    options = {"batch": 2, "validation_fraction": 0.2}
    own, other = (task(f"folder:{tmp_path}", normalise=kind, **options) for kind in (None, "imagenet"))
    assert own.protocol.normalise == "data"
    assert own.loaded.mean == pytest.approx((2 / 255, 100 / 255, 200 / 255), abs=0.01)
    assert other.loaded.mean == (0.485, 0.456, 0.406)
    assert own.fingerprint == other.fingerprint
    assert task(normalise="imagenet").loaded.mean == pytest.approx((0.449,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "--epochs 0: 'lenet5' starts from random weights"),
        ({"frozen_epochs": 1}, "--frozen-epochs 1: a new classifier needs trained features"),
        ({"weights": "/nowhere/x.th"}, "/nowhere/x.th"),
    ],
)
def test_starts_that_do_not_fit_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        task(**options)


def test_the_rate_of_no_epochs_is_refused() -> None:
    with pytest.raises(UserError, match=r"--frozen-rate 0\.5 needs --frozen-epochs, which is 0; give both"):
        task(frozen_rate=0.5)
