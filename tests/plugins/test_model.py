import pytest
import torch
from torch import nn

from prunebench.errors import UserError
from prunebench.plugins.identity import identity
from prunebench.plugins.model import Model


def tiny(channels: int, size: int, classes: int, *, width: int = 4) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, size), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width, classes)
    )


def ones(model: nn.Module) -> None:
    nn.init.ones_(model[3].weight)  # type: ignore[index,union-attr,arg-type]


def test_name_options_and_label() -> None:
    model = Model(tiny)
    wide = model.with_options({"width": "6"})
    assert (model.name, model.label, wide.label) == ("tiny", "tiny", "tiny:width=6")
    assert wide(1, 3, 2)(torch.zeros(2, 1, 3, 3)).shape == (2, 2)
    assert wide(1, 3, 2)[0].out_channels == 6  # type: ignore[index]
    with pytest.raises(UserError, match="unknown option 'depth' in 'tiny'"):
        model.with_options({"depth": "6"})


def test_reset_draws_every_weight_afresh_then_initialises() -> None:
    model = Model(tiny, initialise=ones)
    network = model(1, 3, 2)
    network[1].running_mean.fill_(3.0)  # type: ignore[index]
    before = network[0].weight.clone()  # type: ignore[index]
    torch.manual_seed(0)
    model.reset(network)
    assert not torch.equal(network[0].weight, before)  # type: ignore[index]
    assert network[1].running_mean.eq(0).all()  # type: ignore[index]
    assert network[3].weight.eq(1).all()  # type: ignore[index]


def test_an_argument_is_given_to_build_first_and_is_part_of_the_label() -> None:
    def named(name: str, channels: int, size: int, classes: int, *, weights: str = "") -> nn.Module:
        return nn.Sequential(nn.Linear(channels, classes, bias=name == "biased"))

    model = Model(named, takes_argument="NAME", argument="biased")
    assert set(dict(model(3, 1, 2).named_parameters())) == {"0.weight", "0.bias"}
    trained = model.with_options({"weights": "V1"})
    assert (model.label, trained.label) == ("named:biased", "named:biased,weights=V1")
    assert (trained.pretrained, trained.normalise) == (True, "imagenet")
    assert trained.without_weights() == model
    assert (model.pretrained, model.normalise) == (False, "data")
    assert "argument" in identity(model) and identity(model) != identity(Model(named, takes_argument="NAME"))


def test_the_identity_has_what_decides_the_network_and_no_prose() -> None:
    assert "takes_argument" not in identity(Model(tiny, takes_argument="NAME"))
    assert identity(Model(tiny, head=("3",)))["head"] == ["3"]


def test_the_classifier_is_the_last_layer_or_the_head() -> None:
    network = Model(tiny)(1, 3, 2)
    assert Model(tiny).classifier(network) == ("3.weight", "3.bias")
    assert Model(tiny, head=("1", "3")).classifier(network) == ("1.weight", "1.bias", "3.weight", "3.bias")
    with pytest.raises(UserError, match="model 'tiny': its head 'fc' has no parameters"):
        Model(tiny, head=("fc",)).classifier(network)
    with pytest.raises(UserError, match="no linear layer or convolution that could be its classifier"):
        Model(tiny).classifier(nn.BatchNorm2d(3))


def test_a_function_may_build_a_compiled_network() -> None:
    model = Model(lambda channels, size, classes: torch.compile(nn.Linear(channels, classes)), name="mine")
    assert type(model(1, 8, 2)) is nn.Linear
