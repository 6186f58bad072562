import threading

import pytest
import torch
from torch import nn

from prunebench.errors import UserError
from prunebench.plugins.identity import identity
from prunebench.plugins.own_network import OwnNetwork


def test_it_builds_copies_of_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    model = OwnNetwork.of(network, "mine")
    before = network[0].weight.clone()
    with torch.no_grad():
        network[0].weight.add_(1)
    one, other = model(1, 8, 2), model(3, 16, 10)
    assert torch.equal(one.get_parameter("0.weight"), before) and one is not other
    assert OwnNetwork.of(network, "mine").digest != model.digest
    assert identity(OwnNetwork.of(network, "mine")) != identity(model)


def test_it_comes_trained() -> None:
    model = OwnNetwork.of(nn.Linear(2, 2), "mine")
    assert model.pretrained and model.trained_for(1, 2) and model.normalise == "data"


def test_a_network_without_numbers_is_refused() -> None:
    with torch.device("meta"):
        network = nn.Linear(2, 2)
    with pytest.raises(UserError, match=r"^model 'mine': its parameters are on the device 'meta', without numbers"):
        OwnNetwork.of(network, "mine")


def test_what_cannot_be_copied_is_said() -> None:
    network = nn.Linear(2, 2)
    network.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(UserError, match="model 'mine' cannot be copied"):
        OwnNetwork.of(network, "mine")


def test_a_compiled_network_is_the_network_inside() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    plain = OwnNetwork.of(network, "mine")
    for compiled in (torch.compile(network), nn.Sequential(torch.compile(network[0])), network):
        assert isinstance(compiled, nn.Module)
        model = OwnNetwork.of(compiled, "mine")
        assert model.digest == plain.digest and type(model(1, 8, 2)) is nn.Sequential
