"""The evidence `feature_map`: on residual streams behind the addition, elsewhere a layer's own map."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.mobilenetv2 import InvertedResidual

from prunebench.models.resnet import CifarResnet
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.scoring.evidence import gather
from prunebench.testing import toys
from prunebench.testing.toys import Net


def observe(network: Network, names: frozenset[str]) -> dict[str, dict[str, Tensor]]:
    return gather(network, names, toys.batches()[0], torch.Generator().manual_seed(0))


def test_a_layer_that_writes_no_stream_shows_its_own_map() -> None:
    layers = {name: nn.Conv2d(n, 3, 3, padding=1) for name, n in (("a", 1), ("b", 3), ("c", 1))}
    model: Any = Net(
        lambda net, x: net.end(net.relu(net.b(net.a(x)) + net.c(x)).mean((2, 3))),
        **layers,
        relu=nn.ReLU(),
        end=nn.Linear(3, 3),
    )
    model, pictures = model.double().eval(), toys.batches()[0][0]
    network = Network.dense(model, analyse(model, pictures))
    assert network.table.joined == dict.fromkeys("bc", ("relu", 1, "out"))
    found = observe(network, frozenset({"feature_map"}))
    own = model.a(pictures)
    torch.testing.assert_close(found["a"]["feature_map"], own)
    stream = F.relu(model.b(own) + model.c(pictures))
    torch.testing.assert_close(found["b"]["feature_map"], stream)
    torch.testing.assert_close(found["c"]["feature_map"], stream)


def test_a_shortcut_that_runs_before_a_shared_relu_is_read_behind_the_addition() -> None:
    def forward(net: Any, pictures: Tensor) -> Any:
        shortcut = net.shortcut(pictures)
        return net.end(net.relu(net.b(net.relu(net.a(pictures))) + shortcut).mean((2, 3)))

    layers = {"shortcut": nn.Conv2d(1, 3, 1), "a": nn.Conv2d(1, 3, 3, padding=1), "b": nn.Conv2d(3, 3, 1)}
    model: Any = Net(forward, **layers, relu=nn.ReLU(), end=nn.Linear(3, 3))
    model, pictures = model.double().eval(), toys.batches()[0][0]
    network = Network.dense(model, analyse(model, pictures))
    found = observe(network, frozenset({"feature_map", "activation"}))
    inner = F.relu(model.a(pictures))
    stream = F.relu(model.b(inner) + model.shortcut(pictures))
    for layer, wanted in {"shortcut": stream, "b": stream, "a": inner}.items():
        torch.testing.assert_close(found[layer]["feature_map"], wanted)
    torch.testing.assert_close(found["shortcut"]["activation"], model.shortcut(pictures))


def test_a_stream_that_a_shortcut_pads_is_read_behind_its_addition() -> None:
    model, pictures = CifarResnet(1, 1, 3, True).double().eval(), torch.randn(2, 1, 8, 8, dtype=torch.float64)
    network = Network.dense(model, analyse(model, pictures))
    found = gather(network, frozenset({"feature_map"}), (pictures, torch.tensor([0, 1])), torch.Generator())
    layers: Any = model
    stream = F.relu(layers.bn1(layers.conv1(pictures)))
    for block in (layers.layer1[0], layers.layer2[0], layers.layer3[0]):  # each the only one of its stage
        stream = block(stream)
        name = next(name for name, module in model.named_modules() if module is block)
        torch.testing.assert_close(found[f"{name}.conv2"]["feature_map"], stream)


def test_a_stream_without_nonlinearity_is_read_behind_its_addition() -> None:
    model: Any = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU6()),
        *(InvertedResidual(4, 4, 1, 2), InvertedResidual(4, 4, 1, 2), InvertedResidual(4, 6, 1, 2)),
        *(nn.Conv2d(6, 5, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)),
    )
    model, pictures = model.double().eval(), toys.batches()[0][0]
    network = Network.dense(model, analyse(model, pictures))
    found = observe(network, frozenset({"feature_map", "activation"}))
    streams = {"0": model[:3](pictures), "3.conv.2": model[:4](pictures), "4.conv.2": model[:5](pictures)}
    streams |= {"5.conv.2": model[:6](pictures), "6": model[:8](pictures)}  # written by one layer alone
    streams["3.conv.1.0"] = model[3].conv[:2](streams["0"])  # the depthwise convolution inside the block
    for layer, wanted in streams.items():
        torch.testing.assert_close(found[layer]["feature_map"], wanted.detach(), rtol=1e-12, atol=1e-14)
    own = model[3].conv(streams["0"])  # without the addition
    torch.testing.assert_close(found["3.conv.2"]["activation"], own.detach(), rtol=1e-12, atol=1e-14)


def _dense(net: Any, x: Tensor) -> dict[str, Tensor]:
    stem = net.stem(x)
    first = net.conv1(net.bn1(stem).relu())
    return {"stem": stem, "conv1": first, "conv2": net.conv2(net.bn2(torch.cat((stem, first), 1)).relu())}


def _preactivation(net: Any, x: Tensor) -> dict[str, Tensor]:
    stem = net.stem(x)
    inner = net.bn2(net.conv(net.bn1(stem).relu())).relu()
    return {"stem": stem, "conv": inner, "out": net.out(inner) + stem}


@pytest.mark.parametrize(
    ("toy", "maps"),
    [
        ("chain", lambda net, x: {"0": net[:2](x), "2": net[:5](x), "6": net[:8](x)}),
        ("depthwise", lambda net, x: {"0": net[:3](x), "3": net[:6](x), "6": net[:7](x)}),
        ("dense", _dense),
        ("pre-activation", _preactivation),
    ],
)
def test_the_map_of_a_layer_is_its_last_tensor_before_others_come_in(toy: str, maps: Any) -> None:
    network, pictures = toys.TOYS[toy](), toys.batches()[0][0]
    found = observe(network, frozenset({"feature_map"}))
    wanted = maps(network.model.eval(), pictures)
    assert found.keys() == wanted.keys()
    for layer, values in wanted.items():
        torch.testing.assert_close(found[layer]["feature_map"], values.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("in_place", [False, True])
def test_functions_and_factors_behind_a_layer_are_part_of_its_map(in_place: bool) -> None:
    class Block(nn.Module):
        """A convolution, squeeze and excitation, an addition and a ReLU that is a function."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)
            self.squeeze, self.excite = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 3, 1)

        def forward(self, stream: Tensor) -> Tensor:
            inner = self.norm(self.conv(stream))
            inner = inner * torch.sigmoid(self.excite(F.relu(self.squeeze(inner.mean((2, 3), keepdim=True)))))
            if in_place:
                inner += stream
                return F.relu_(inner)
            return F.relu(inner + stream)

    layers = {"first": nn.Conv2d(1, 3, 3), "one": Block(), "two": Block(), "last": nn.Linear(3, 3)}
    model: Any = Net(lambda net, x: net.last(net.two(net.one(F.relu(net.first(x)))).mean((2, 3))), **layers)
    model, pictures = model.double().eval(), toys.batches()[0][0]
    network = Network.dense(model, analyse(model, pictures))
    found = observe(network, frozenset({"feature_map"}))
    first = F.relu(model.first(pictures))
    one = model.one(first.clone())
    for layer, wanted in {"first": first, "one.conv": one, "two.conv": model.two(one.clone())}.items():
        torch.testing.assert_close(found[layer]["feature_map"], wanted.detach(), rtol=1e-12, atol=1e-14)
