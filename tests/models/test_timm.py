"""`timm:NAME`, with options and with weights of timm's own loader."""

from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.errors import UserError
from prunebench.plugins.model import Model
from prunebench.plugins.registry import get_model, load_registry

timm = pytest.importorskip("timm")


def model(name: str) -> Model:
    return get_model(f"timm:{name}", load_registry(()))


def test_channels_classes_and_options_are_passed_on() -> None:
    network = model("resnet18,drop_rate=0.25")(1, 32, 7)
    assert network.drop_rate == 0.25
    assert network.eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
    assert model("resnet18,drop_rate=0.25").label == "timm:resnet18,drop_rate=0.25"
    assert not model("resnet18").pretrained


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet19x", "unknown network 'resnet19x' in timm; did you mean 'resnet1"),
        ("resnet18,colour=3", "timm:resnet18: timm refuses .*unexpected keyword argument 'colour'.*check its name and"),
        ("vgg11,pretrained=maybe", "option pretrained=maybe of 'timm' must be true or false"),
    ],
)
def test_bad_input(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        model(name)(3, 32, 4)


def test_published_weights_come_by_timms_own_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the place of the download: timm reads and fits it as it would its own."""
    torch.manual_seed(1)
    state = timm.create_model("resnet18", num_classes=1000).state_dict()
    torch.save(state, tmp_path / "weights.pth")
    original = timm.models._builder._resolve_pretrained_source
    asked: list[Any] = []

    def local(config: Any) -> Any:
        asked.append(original(config)[0])
        return "file", str(tmp_path / "weights.pth")

    monkeypatch.setattr("timm.models._builder._resolve_pretrained_source", local)
    wanted = model("resnet18,pretrained=true")
    assert (wanted.pretrained, wanted.normalise) == (True, "imagenet")
    kept = wanted(3, 64, 1000).state_dict()
    assert asked and all(torch.equal(tensor, state[key]) for key, tensor in kept.items())
    new = wanted(3, 64, 5).state_dict()
    assert {key for key, tensor in new.items() if tensor.shape != state[key].shape} == {"fc.weight", "fc.bias"}
    assert torch.equal(new["conv1.weight"], state["conv1.weight"])
    assert wanted.without_weights().label == "timm:resnet18"


def test_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", no_network)
    with pytest.raises(UserError, match=r"timm cannot load the weights \(OSError: no network\); copy them into its"):
        model("resnet18,pretrained=true")(3, 64, 10)
    with pytest.raises(UserError, match="its weights expect pictures normalised by"):
        model("inception_v4,pretrained=true")(3, 96, 10)


def test_timm_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(UserError, match=r"timm is not installed; pip install 'prunebench\[timm\]'"):
        model("resnet18")(3, 32, 4)
