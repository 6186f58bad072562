"""`torchvision:NAME`, and the two helper files behind it."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision.models
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.models.torchvision import MODEL
from prunebench.plugins.model import Model
from prunebench.plugins.registry import get_model, load_registry

HEADS = {
    "alexnet": "classifier.6",
    "densenet121": "classifier",
    "googlenet": "fc",
    "mobilenet_v3_small": "classifier.3",
    "regnet_y_400mf": "fc",
    "resnext50_32x4d": "fc",
    "shufflenet_v2_x0_5": "fc",
    "squeezenet1_1": "classifier.1",
}


def model(name: str, weights: str = "") -> Model:
    return get_model(f"torchvision:{name}" + (f",weights={weights}" if weights else ""), load_registry(()))


def deviation(weight: Tensor) -> tuple[float, float]:
    """Standard deviation, and the mean size in such deviations: .80 of normal draws, .87 of uniform ones."""
    return weight.std().item(), (weight.abs().mean() / weight.std()).item()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache of torch.hub on a machine without network."""

    def no_network(*_: Any, **__: Any) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def publish(cache: Path, name: str) -> dict[str, Tensor]:
    """Put weights of a network into the cache, as if they had been fetched; gives them."""
    weights = torchvision.models.get_model_weights(name).DEFAULT
    torch.manual_seed(1)
    special = {"init_weights": False} if name == "googlenet" else {}
    state: dict[str, Tensor] = torchvision.models.get_model(name, weights=None, **special).state_dict()
    torch.save(state, cache / Path(weights.url).name)
    return state


@pytest.mark.parametrize("name", HEADS)
def test_head_and_first_layer_fit_the_task(name: str) -> None:
    network = model(name)(2, 64, 7)
    assert set(MODEL.classifier(network)) == {f"{HEADS[name]}.weight", f"{HEADS[name]}.bias"}
    network.eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 2, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "efficientnet_b0", "squeezenet1_0", "convnext_tiny"])
def test_published_size(name: str) -> None:
    with torch.device("meta"):
        network = model(name)(3, 224, 1000)
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    assert sum(p.numel() for p in network.parameters()) == published


@pytest.mark.parametrize(
    "name",
    [
        *("convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "mnasnet0_5", "mobilenet_v2"),
        *("mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "alexnet"),
        pytest.param("vgg11_bn", marks=pytest.mark.slow),
    ],
)
def test_fresh_weights_are_drawn_as_torchvision_draws_them(name: str) -> None:
    torch.manual_seed(0)
    network = model(name)(3, 96, 10)
    drawn = {key: tensor.clone() for key, tensor in network.named_parameters()}
    for tensor in network.parameters():
        nn.init.constant_(tensor, 3.0)
    MODEL.reset(network)
    for key, tensor in network.named_parameters():
        if tensor.numel() >= 2000 and tensor.dim() > 1:
            assert deviation(tensor) == pytest.approx(deviation(drawn[key]), rel=0.06), key
        else:
            assert (tensor.std(correction=0) == 0) == (drawn[key].std(correction=0) == 0), key
            assert tensor.mean().item() == pytest.approx(drawn[key].mean().item(), abs=0.3), key


def test_published_weights_but_for_a_new_classifier(cache: Path) -> None:
    state = publish(cache, "squeezenet1_1")
    whole = model("squeezenet1_1", "IMAGENET1K_V1")
    assert (whole.label, whole.pretrained, whole.normalise) == (
        "torchvision:squeezenet1_1,weights=IMAGENET1K_V1",
        True,
        "imagenet",
    )
    kept = whole(3, 64, 1000).state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in kept.items())
    new = whole(3, 64, 1001).state_dict()
    assert {key for key, tensor in new.items() if not torch.equal(tensor, state[key])} == {
        "classifier.1.weight",
        "classifier.1.bias",
    }


def test_grey_pictures_see_what_three_equal_channels_would(cache: Path) -> None:
    publish(cache, "shufflenet_v2_x0_5")
    pretrained = model("shufflenet_v2_x0_5", "DEFAULT")
    grey, colour, four = (pretrained(channels, 64, 1000).eval() for channels in (1, 3, 4))
    pictures = torch.randn(2, 1, 64, 64)
    first = [network.get_submodule("conv1.0") for network in (grey, colour)]
    torch.testing.assert_close(first[0](pictures), first[1](pictures.expand(-1, 3, -1, -1)))
    assert four.get_parameter("conv1.0.weight").shape == (24, 4, 3, 3)
    # the classifier is kept for three channels only
    assert not torch.equal(grey.get_parameter("fc.weight"), colour.get_parameter("fc.weight"))
    assert torch.equal(grey.get_parameter("conv5.0.weight"), colour.get_parameter("conv5.0.weight"))


def test_auxiliary_classifiers_of_published_weights_are_dropped(cache: Path) -> None:
    state = publish(cache, "googlenet")
    assert any(key.startswith("aux1.") for key in state)
    network = model("googlenet", "DEFAULT")(3, 64, 1000)
    assert not [key for key in network.state_dict() if key.startswith("aux")]
    published = torchvision.models.googlenet(init_weights=False)
    published.load_state_dict(state)
    published.transform_input = True  # as for published weights
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(pictures), published.eval()(pictures))
    assert torch.is_tensor(network.train()(pictures))
    fresh = MODEL.without_weights()  # whose weights are loaded from elsewhere: must be the same function
    assert model("googlenet", "DEFAULT").without_weights().label == "torchvision:googlenet"
    assert not fresh.pretrained and model("googlenet")(3, 64, 1000).transform_input is True


def test_weights_that_cannot_be_had(cache: Path) -> None:
    wanted = model("resnet18", "DEFAULT")
    with pytest.raises(UserError) as caught:
        wanted(3, 64, 10)
    text = str(caught.value)
    for part in ("ResNet18_Weights.IMAGENET1K_V1 cannot be downloaded", "no network", f"{cache}/resnet18-f37072fd.pth"):
        assert part in text
    assert "leave the option weights out and give --weights PATH" in text and "\n" not in text
    (cache / "resnet18-f37072fd.pth").write_bytes(b"an error page")
    with pytest.raises(UserError, match=r"resnet18-f37072fd\.pth does not hold ResNet18_Weights.*; delete the file"):
        wanted(3, 64, 10)


@pytest.mark.parametrize(
    ("text", "size", "message"),
    [
        ("vit_b_16", 64, "torchvision:vit_b_16 is a transformer, but only CNNs are built here; give timm:NAME or a "),
        ("resnet19", 64, "unknown network 'resnet19' in torchvision; did you mean 'resnet1"),
        ("alexnet", 32, "torchvision:alexnet needs pictures of at least 63 x 63 pixels, these have 32 x 32"),
        ("inception_v3", 74, "torchvision:inception_v3 needs pictures of at least 75 x 75 pixels"),
        ("resnet18,weights=V3", 64, "unknown weights 'V3' in 'torchvision:resnet18'; known: DEFAULT, IMAGENET1K_V1"),
        ("efficientnet_v2_l,weights=DEFAULT", 64, "unknown weights 'DEFAULT' .*; known: none"),  # other normalisation
    ],
)
def test_bad_input(text: str, size: int, message: str) -> None:
    with torch.device("meta"), pytest.raises(UserError, match=message):
        model(text)(3, size, 10)


def test_every_listed_network_is_a_convolutional_one() -> None:
    from prunebench.models._torchvision import names

    families = {name.partition("_")[0].rstrip("0123456789") for name in names()}
    assert families == {
        *("alexnet", "convnext", "densenet", "efficientnet", "googlenet", "inception", "mnasnet", "mobilenet"),
        *("regnet", "resnet", "resnext", "shufflenet", "squeezenet", "vgg", "wide"),
    }
