import pytest
import torch
from torch import nn
from torchvision.models import VGG16_Weights

from prunebench.models import _torchvision
from prunebench.models.vgg16_imagenet import MODEL


@pytest.mark.parametrize(
    ("channels", "classes", "parameters"),
    [(3, 1000, 138_357_544), (3, 2, 134_268_738), (1, 10, 134_268_738 + 8 * 4_097 - 2 * 64 * 9)],
)
def test_parameters(channels: int, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in MODEL(channels, 224, classes).parameters()) == parameters


def test_the_first_layer_takes_the_pictures_channels() -> None:
    with torch.device("meta"):
        network = MODEL(1, 32, 2)
        assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 2)
        first = network.get_submodule("features.0")
    assert isinstance(first, nn.Conv2d)
    assert first.in_channels == 1


@pytest.mark.parametrize(("classes", "new"), [(2, ("classifier",)), (1000, ())])
def test_published_weights_but_for_a_new_classifier(
    classes: int, new: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = []
    monkeypatch.setattr(_torchvision, "_pretrained", lambda *given: given)
    monkeypatch.setattr(_torchvision, "_copy", lambda *given: copied.append((given[0], given[2])))
    with torch.device("meta"):
        network = MODEL.with_options({"weights": "DEFAULT"})(3, 32, classes)
    assert copied == [(("vgg16", VGG16_Weights.DEFAULT, "vgg16_imagenet"), new)]
    assert {name.rpartition(".")[0] for name in MODEL.classifier(network)} == {f"classifier.{n}" for n in (0, 3, 6)}
