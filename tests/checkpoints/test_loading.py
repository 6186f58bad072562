import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from prunebench.checkpoints.loading import checkpoint_digest, load_checkpoint
from prunebench.errors import UserError
from prunebench.models.resnet import RESNET20, RESNET32
from prunebench.plugins.model import Model

REAL = Path(os.environ.get("PRUNEBENCH_TEST_DATA", "no folder given"), "cifar10-resnets")
State = dict[str, Tensor]


def network(classes: int = 4, channels: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return RESNET20(channels, 8, classes)


@pytest.fixture(scope="module")
def state() -> State:
    """Give a state dict as it is published: without the buffers of our shortcuts and without counters."""
    return {
        key: tensor
        for key, tensor in network(seed=1).state_dict().items()
        if ".shortcut." not in key and not key.endswith("num_batches_tracked")
    }


def assert_loaded(model: nn.Module, state: State) -> None:
    own = model.state_dict()
    assert all(torch.equal(own[key], tensor) for key, tensor in state.items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "best_prec1": 91.7, "epoch": 3},
        lambda state: {"model": {f"module.{key}": tensor for key, tensor in state.items()}},
        lambda state: {"net": {f"_orig_mod.module.{key}": tensor for key, tensor in state.items()}, "acc": 0.9},
        lambda state: {"params_ema": {f"model.net.{key}": tensor.half().float() for key, tensor in state.items()}},
        lambda state: state | {"bn1.num_batches_tracked": torch.tensor(7)},
    ],
    ids=["plain", "state_dict", "DataParallel", "compiled", "two prefixes", "counter"],
)
def test_published_forms(wrap: Callable[[State], Any], state: State, tmp_path: Path) -> None:
    state = {key: tensor.half().float() for key, tensor in state.items()}
    torch.save(wrap(state), tmp_path / "weights.th")
    model = network()
    pads = {key: buffer.clone() for key, buffer in model.named_buffers() if ".shortcut." in key}
    load_checkpoint(model, tmp_path / "weights.th", "resnet20")
    assert_loaded(model, state)
    assert_loaded(model, pads)


def test_safetensors_and_other_dtypes(state: State, tmp_path: Path) -> None:
    save_file({f"module.{key}": tensor for key, tensor in state.items()}, tmp_path / "weights.safetensors")
    model = network().double()
    load_checkpoint(model, tmp_path / "weights.safetensors", "resnet20")
    assert_loaded(model, {key: tensor.double() for key, tensor in state.items()})


def test_a_prefix_that_belongs_to_the_network_stays(tmp_path: Path) -> None:
    model, other = (nn.ModuleDict({"net": nn.Linear(2, 2)}) for _ in range(2))
    torch.save(other.state_dict(), tmp_path / "w.pt")
    load_checkpoint(model, tmp_path / "w.pt", "mine")
    assert_loaded(model, other.state_dict())


def test_a_new_classifier_stays_as_it_is(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pt")
    model = network(classes=7)
    before = model.get_parameter("linear.weight").clone()
    load_checkpoint(model, tmp_path / "w.pt", "resnet20", skip=RESNET20.classifier(model))
    assert torch.equal(model.get_parameter("linear.weight"), before)
    assert_loaded(model, {key: tensor for key, tensor in state.items() if not key.startswith("linear")})
    short = {key: tensor for key, tensor in state.items() if not key.startswith("linear")}
    torch.save(short, tmp_path / "features.pt")
    load_checkpoint(model, tmp_path / "features.pt", "resnet20", skip=RESNET20.classifier(model))


def test_the_buffers_of_a_new_classifier_stay_too(tmp_path: Path) -> None:
    def build(channels: int, size: int, classes: int) -> nn.Module:
        return nn.Sequential(nn.Linear(channels, 4), nn.BatchNorm1d(4), nn.Linear(4, classes))

    model = Model(build, head=("1", "2"))
    torch.save(model(3, 1, 2)[:1].state_dict(), tmp_path / "w.pt")  # type: ignore[index]
    network = model(3, 1, 5)
    load_checkpoint(network, tmp_path / "w.pt", "mine", skip=model.classifier(network))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: network(classes=7),
            "'linear.weight' is 4 x 64 in .* in mine: the checkpoint has 4 classes, the dataset 7; give --frozen-",
        ),
        (
            lambda: network(channels=1),
            "'conv1.weight' is 16 x 3 x 3 x 3 .*: the checkpoint is for pictures of 3 channels, the dataset has 1",
        ),
        (
            lambda: RESNET32(3, 8, 4),
            "another architecture than mine: missing: layer1.3.conv1.weight, .* and 52 more; give a checkpoint of mine",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, 2)),
            "missing: 0.weight, 0.bias; left over: conv1.weight, .* and 89 more; give a checkpoint of mine, or",
        ),
    ],
)
def test_other_networks(model: Callable[[], nn.Module], message: str, state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pt")
    built = model()
    before = {key: tensor.clone() for key, tensor in built.state_dict().items()}
    with pytest.raises(UserError, match=message):
        load_checkpoint(built, tmp_path / "w.pt", "mine")
    assert_loaded(built, before)  # nothing was loaded before the error


def test_another_width(state: State, tmp_path: Path) -> None:
    torch.save(state | {"layer1.0.conv1.weight": torch.zeros(8, 16, 3, 3)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"'layer1.0.conv1.weight' is 8 x 16 x .*: the checkpoint has another width"):
        load_checkpoint(network(), tmp_path / "w.pt", "resnet20")


def test_bad_files(tmp_path: Path) -> None:
    def check(name: str, message: str) -> None:
        with pytest.raises(UserError, match=message) as caught:
            load_checkpoint(network(), tmp_path / name, "resnet20")
        assert str(caught.value).startswith(f"--weights {tmp_path / name}: ") and "\n" not in str(caught.value)

    check("absent.pt", "no such file")
    for name in ("torn.pt", "torn.safetensors", "empty.pt"):
        (tmp_path / name).write_bytes(b"" if name == "empty.pt" else b"no weights at all")
        check(name, "cannot be read as a checkpoint: ")
    torch.save(network(), tmp_path / "object.pt")
    check(
        "object.pt",
        "holds pickled objects .*CifarResnet., which are refused as they can run code; where it was",
    )
    torch.save([1, 2], tmp_path / "list.pt")
    check("list.pt", "holds a list, not a state dict")
    torch.save({"epoch": 3, "optimizer": {}}, tmp_path / "other.pt")
    check(
        "other.pt",
        "has no state dict: there are no tensors in it; its keys are epoch, optimizer; save model",
    )


def test_digest(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"weights")
    assert checkpoint_digest(tmp_path / "w.pt") == hashlib.sha256(b"weights").hexdigest()[:16]
    with pytest.raises(UserError, match="cannot be read: No such file"):
        checkpoint_digest(tmp_path / "absent.pt")


@pytest.mark.skipif(not REAL.is_dir(), reason="PRUNEBENCH_TEST_DATA does not name a folder with cifar10-resnets/")
def test_the_published_checkpoint() -> None:
    model = RESNET20(3, 32, 10)
    path = next(REAL.glob("resnet20-*.th"))
    load_checkpoint(model, path, "resnet20")
    assert checkpoint_digest(path).startswith(
        path.stem.partition("-")[2]
    )  # published under the first digits of its hash
    published = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    assert_loaded(model, {key.removeprefix("module."): tensor for key, tensor in published.items()})
