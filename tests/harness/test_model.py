import pytest
import torch
from torch import nn

from prunebench.errors import UserError
from prunebench.model import Model


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
