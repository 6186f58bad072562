from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.pruning.copies import skeleton
from prunebench.pruning.tracing import trace
from prunebench.testing.toys import Net


def chain(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def test_order_positions_norm_and_tail_of_a_chain() -> None:
    model = chain(
        conv=nn.Conv2d(1, 2, 3),
        norm=nn.BatchNorm2d(2),
        relu=nn.ReLU(inplace=True),
        plain=nn.Conv2d(2, 3, 3),
        pool=nn.MaxPool2d(2),
        late=nn.ReLU(),
        flatten=nn.Flatten(),
        linear=nn.Linear(12, 4),
        tanh=nn.Tanh(),
        second=nn.ReLU(),
    ).eval()
    seen = trace(model, torch.zeros(3, 1, 8, 8))
    assert seen.order == ["conv", "plain", "linear"]
    assert seen.positions == {"conv": 36, "plain": 16, "linear": 1}
    assert seen.norm == {"conv": "norm"}
    assert seen.tail == {"conv": "relu", "plain": "plain", "linear": "tanh"}


class Residual(nn.Module):
    """A convolution, BatchNorm, an addition (in place or not) and a ReLU, shared or not."""

    def __init__(self, in_place: bool, shared: bool) -> None:
        super().__init__()
        self.conv1, self.norm1, self.relu1 = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU()
        self.conv2, self.norm2 = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)
        self.relu2 = self.relu1 if shared else nn.ReLU()
        self.in_place = in_place

    def forward(self, pictures: Tensor) -> Tensor:
        first = self.relu1(self.norm1(self.conv1(pictures)))
        second = self.norm2(self.conv2(first))
        if self.in_place:
            second += first
        else:
            second = second + first
        return self.relu2(second).mean((2, 3))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_an_addition_ends_the_chain_and_what_follows_is_noted_for_what_was_added(in_place: bool, shared: bool) -> None:
    seen = trace(Residual(in_place, shared).eval(), torch.zeros(1, 1, 4, 4))
    assert seen.tail == {
        "conv1": "relu1",
        "conv2": "norm2",
    }  # of the layer that a shared one first runs after
    assert seen.joined == {"conv2": ("relu1" if shared else "relu2", 1 + shared, "out")}  # conv1 has its own ReLU


class Summed(nn.Module):
    """Two layers are added: the ReLU that reads the sum has run for the second before, where it is shared."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.a, self.b, self.relu = nn.Linear(3, 2), nn.Linear(3, 2), nn.ReLU()
        self.last = self.relu if shared else nn.ReLU()

    def forward(self, pictures: Tensor) -> Tensor:
        return self.last(self.a(pictures) + self.relu(self.b(pictures)))


def test_of_a_shared_nonlinearity_it_is_the_call_that_reads_the_sum() -> None:
    assert trace(Summed(shared=False).eval(), torch.zeros(1, 3)).joined == dict.fromkeys("ab", ("last", 1, "out"))
    assert trace(Summed(shared=True).eval(), torch.zeros(1, 3)).joined == dict.fromkeys("ab", ("relu", 2, "out"))


class Forked(nn.Module):
    """What a layer, its BatchNorm or its nonlinearity writes is read by an addition, too."""

    def __init__(self, fork: str, in_place: bool) -> None:
        super().__init__()
        self.fork = fork
        self.conv, self.norm, self.relu = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(in_place)
        self.next = nn.Conv2d(2, 2, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        first = self.conv(pictures)
        second = self.norm(first)
        read = {"conv": first, "norm": second}.get(self.fork, second).clone()
        third = self.relu(second)
        total: Tensor = self.next(third) + (third if self.fork == "relu" else read)
        return total.mean((2, 3))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("make", [lambda model: model, skeleton])
@pytest.mark.parametrize("fork", ["conv", "norm", "relu"])
def test_a_chain_ends_where_its_tensor_is_read_twice(fork: str, make: Any, frozen: bool, in_place: bool) -> None:
    model = make(Forked(fork, in_place).eval()).requires_grad_(not frozen)
    device = next(model.parameters()).device
    seen = trace(model, torch.zeros(2, 1, 4, 4, device=device))
    assert seen.tail == {"conv": fork, "next": "next"}
    assert seen.norm == ({} if fork == "conv" else {"conv": "norm"})


def test_what_is_read_without_a_gradient_or_for_nothing_is_no_fork() -> None:
    def run(net: Any, pictures: Tensor) -> Tensor:
        first = net.conv(pictures)
        unused = first.exp()
        second = net.relu(first)
        total: Tensor = (net.last(second) + first.detach().mean()).mean((2, 3))
        return total if unused.shape else unused

    layers = {"conv": nn.Conv2d(1, 2, 1), "relu": nn.ReLU(), "last": nn.Conv2d(2, 2, 1)}
    assert trace(Net(run, **layers).eval(), torch.zeros(1, 1, 4, 4)).tail["conv"] == "relu"


def test_a_module_of_ones_own_may_read_its_input_twice() -> None:
    class Swish(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.beta = nn.Parameter(torch.ones(1, 2, 1, 1))

        def forward(self, pictures: Tensor) -> Tensor:
            return pictures * torch.sigmoid(self.beta * pictures)

    layers = {"conv": nn.Conv2d(1, 2, 1), "swish": Swish(), "last": nn.Conv2d(2, 2, 1)}
    assert trace(chain(**layers, flat=nn.Flatten()).eval(), torch.zeros(1, 1, 1, 1)).tail["conv"] == "swish"


def test_where_gradients_stop_the_chain_is_the_one_of_modules() -> None:
    model: Any = Net(
        lambda net, x: net.last(net.relu(net.conv(x.detach()))).mean((2, 3)),
        conv=nn.Conv2d(1, 2, 1),
        relu=nn.ReLU(),
        last=nn.Conv2d(2, 2, 1),
    )
    assert trace(model.eval().requires_grad_(False), torch.zeros(1, 1, 4, 4)).tail["conv"] == "relu"


def test_pictures_may_be_changed_in_place() -> None:
    layers = {"conv": nn.Conv2d(1, 2, 1), "relu": nn.ReLU()}
    model = Net(lambda net, x: net.relu(net.conv(x.sub_(0.5))).mean((2, 3)), **layers)
    pictures = torch.zeros(1, 1, 4, 4)
    assert trace(model.eval(), pictures).tail == {"conv": "relu"} and pictures.eq(0).all()


def test_a_nonlinearity_of_another_shape_reads_no_sum_of_a_layer() -> None:
    model = chain(conv=nn.Conv2d(1, 2, 3), pool=nn.MaxPool2d(2), relu=nn.ReLU(), flatten=nn.Flatten()).eval()
    assert trace(model, torch.zeros(1, 1, 6, 6)).joined == {}


class Crossed(nn.Module):
    """One ReLU serves two layers that both ran before it: its first output is not the second layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.relu = nn.Linear(3, 2), nn.Linear(3, 2), nn.ReLU()

    def forward(self, pictures: Tensor) -> Tensor:
        a, b = self.a(pictures), self.b(pictures)
        return self.relu(a) - self.relu(b)


def test_a_shared_nonlinearity_that_ran_for_another_layer_since_is_no_tail() -> None:
    assert trace(Crossed().eval(), torch.zeros(1, 3)).tail == {"a": "relu", "b": "b"}


def test_a_layer_used_twice_is_counted_and_not_listed() -> None:
    layer = nn.Linear(4, 4)
    seen = trace(nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(4, 2)), torch.zeros(1, 4))
    assert seen.order == ["3"] and list(seen.positions) == ["3"]
    assert seen.calls["0"] == 2


class Scale(nn.Module):
    """One factor for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures * self.gamma


def test_modules_that_keep_channels_apart_belong_to_the_chain() -> None:
    layers = {"conv": nn.Conv2d(1, 2, 3), "norm": nn.InstanceNorm2d(2), "scale": Scale(2), "slope": nn.PReLU(2)}
    seen = trace(chain(**layers, last=nn.Conv2d(2, 2, 1), flat=nn.Flatten()).eval(), torch.zeros(2, 1, 4, 4))
    assert seen.tail["conv"] == "slope" and seen.norm == {}
    assert seen.channelwise == {"norm": 2, "scale": 2, "slope": 2}


class Curve(nn.Module):
    """A polynomial of three coefficients, applied to every number alone: its entries are no channels."""

    def __init__(self) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(torch.ones(3))

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.unsqueeze(-1).pow(torch.arange(3)) @ self.coefficients


def test_a_module_whose_entries_are_not_one_for_each_channel_does_not_belong_to_the_chain() -> None:
    for channels, expected in ((2, {}), (3, {"curve": 3})):
        layers = {"conv": nn.Conv2d(1, channels, 3), "curve": Curve(), "last": nn.Conv2d(channels, 2, 1)}
        seen = trace(chain(**layers, flat=nn.Flatten()).eval(), torch.zeros(2, 1, 4, 4))
        assert seen.channelwise == expected


def test_layers_may_be_called_by_keyword() -> None:
    layers = {"conv": nn.Conv2d(1, 2, 1), "last": nn.Linear(2, 2)}
    model = Net(lambda net, x: net.last(input=net.conv(input=x).mean((2, 3))), **layers)
    assert trace(model, torch.zeros(2, 1, 4, 4)).order == ["conv", "last"]


def test_hooks_are_gone_even_after_a_failure() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1))
    with pytest.raises(UserError, match="on one picture of 1 x 4 x 4 pixels in layer '0': RuntimeError: Given"):
        trace(model, torch.zeros(1, 1, 4, 4))
    assert not model[0]._forward_hooks and not model[0]._forward_pre_hooks
