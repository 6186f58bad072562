"""Copies of networks whose modules hold functions, and networks that write buffers or compile themselves."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import prunebench as pb
from prunebench.errors import UserError
from prunebench.pruning.analysis import analyse

PICTURES = torch.rand(2, 3, 8, 8)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Linear(8, 4)
        self.end: Any = None

    def body(self, pictures: Tensor) -> Tensor:
        return F.relu(self.b(F.relu(self.a(pictures))))

    def forward(self, pictures: Tensor) -> Any:
        return self.last(self.body(pictures).mean((2, 3)))


class Held(Plain):
    """Calls its second layer through something that it holds."""

    def __init__(self, hold: Callable[[Any], Any]) -> None:
        super().__init__()
        self.end = hold(self)

    def second(self, features: Tensor) -> Any:
        return self.b(features)

    def body(self, pictures: Tensor) -> Tensor:
        return F.relu(self.end(F.relu(self.a(pictures))))


HELD: dict[str, Callable[[Any], Any]] = {
    "a bound method": lambda net: net.second,
    "a compiled method": lambda net: torch.compile(net.second, backend="eager"),
}


@pytest.mark.parametrize("hold", HELD.values(), ids=list(HELD))
def test_a_copy_calls_its_own_layers(hold: Callable[[Any], Any]) -> None:
    torch.manual_seed(0)
    plain = Plain()
    held = Held(hold)
    held.load_state_dict(plain.state_dict())
    small, other = (pb.prune(net, shape=(3, 8, 8), keep=0.5) for net in (plain, held))
    assert [len(small.get_submodule(name).weight) for name in "ab"] == [
        len(other.get_submodule(n).weight) for n in "ab"
    ]
    with torch.no_grad():
        for parameter in held.parameters():
            parameter.zero_()
        torch.testing.assert_close(small(PICTURES), other(PICTURES))


@pytest.mark.parametrize(
    "change", [lambda function: function, lambda function: torch.compile(function, backend="eager")]
)
def test_other_functions_are_shared(change: Callable[[Any], Any]) -> None:
    held, number = Plain(), 3
    held.end = change(lambda: number)
    assert pb.prune(held, shape=(3, 8, 8), keep=0.5).end is held.end


def test_a_lambda_that_names_the_network_is_refused_with_the_cure() -> None:
    message = r"reads a trainable tensor, \(8, 8, 1, 1\), that its copies do not get, .*; write a method, and make"
    with pytest.raises(UserError, match=message):
        pb.prune(Held(lambda net: lambda x: net.b(x)), shape=(3, 8, 8), keep=0.5)
    frozen = Held(lambda net: lambda x: net.b(x)).requires_grad_(False)
    with pytest.raises(
        UserError, match=r"for a lambda or a global name that holds a layer, write a method; for a list"
    ):
        pb.prune(frozen, shape=(3, 8, 8), keep=0.5)


def hooked(net: Plain) -> nn.Module:
    net.a.register_forward_hook(lambda *given: given[2] * net.b.weight.abs().mean())
    return net


def patched(net: Plain) -> nn.Module:
    before = net.b.forward
    net.b.forward = lambda x: before(x) * 2  # type: ignore[assignment,method-assign]
    return net


def scaled(net: Plain) -> nn.Module:
    factor = net.a.weight
    return Held(lambda other: lambda x: other.b(x) * factor.abs().mean())


@pytest.mark.parametrize("change", [hooked, patched, scaled])
def test_a_parameter_that_copies_do_not_get_is_told(change: Callable[[Plain], nn.Module]) -> None:
    with pytest.raises(UserError, match="as through a lambda, a hook, a class attribute or a global name"):
        pb.prune(change(Plain()), shape=(3, 8, 8), keep=0.5)


class Listed(Plain):
    """Holds a parameter in a list, where PyTorch does not find it."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = [nn.Parameter(torch.ones(()))]

    def body(self, pictures: Tensor) -> Tensor:
        return super().body(pictures) * self.factors[0]


def test_a_parameter_in_a_list_is_copied() -> None:
    net = Listed()
    small: Any = pb.prune(net, shape=(3, 8, 8), keep=0.5)
    assert small.factors[0] is not net.factors[0]


def test_a_network_without_numbers_is_refused() -> None:
    with torch.device("meta"):
        net = Plain()
    with pytest.raises(UserError, match="its parameters are on the device 'meta', without numbers"):
        pb.prune(net, shape=(3, 8, 8), keep=0.5)


class Scale(nn.Module):
    def __init__(self, factors: Tensor) -> None:
        super().__init__()
        self.register_buffer("factors", factors)

    def forward(self, features: Tensor) -> Tensor:
        return F.avg_pool2d(features * self.factors, 2)


class Shared(Plain):
    """Has a buffer of one entry for each channel under two names."""

    def __init__(self) -> None:
        super().__init__()
        factors = torch.ones(1, 8, 1, 1)
        self.one, self.two = Scale(factors), Scale(factors)

    def body(self, pictures: Tensor) -> Tensor:
        return F.relu(self.two(self.b(F.relu(self.one(self.a(pictures))))))


def test_a_shared_buffer_is_one_of_both_names() -> None:
    groups = analyse(Shared(), PICTURES).groups
    assert [group.name for group in groups] == ["a", "b"]
    assert all({"one.factors", "two.factors"} & {part.layer for part in group.slices} for group in groups)


class Counting(Plain):
    """Writes buffers in every forward pass."""

    def __init__(self, width: int, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place
        self.register_buffer("seen", torch.zeros(width))

    def forward(self, pictures: Tensor) -> Any:
        features = self.body(pictures).mean((2, 3))
        last = features.detach().mean(0)[: len(self.seen)]
        if self.in_place:
            self.seen.mul_(0.9).add_(last)
        else:
            self.seen = 0.9 * self.seen + last
        return self.last(features)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_buffer_that_is_written_keeps_its_layer_alone(in_place: bool) -> None:
    table = analyse(Counting(8, in_place), PICTURES)
    assert [group.name for group in table.groups] == ["a"]
    assert (
        "a forward pass that fails when its units are changed, as one that states their number: RuntimeError: The size"
        in table.fixed["b"]
    )
    assert not analyse(Counting(1, in_place), PICTURES).fixed


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ((3, 8, 8), r"^example: a tuple; give a tensor of pictures, \(batch, channels, height, width\)$"),
        (torch.zeros(3), r"^example: a tensor of shape \(3,\); give a tensor of pictures"),
        (PICTURES.byte(), "the pictures torch.uint8; give pictures in floats$"),
    ],
)
def test_an_example_that_is_no_batch_of_pictures_is_refused(example: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        analyse(Plain(), example)


class Slip(Plain):
    def body(self, pictures: Tensor) -> Tensor:
        return F.relu(self.c(pictures))


def test_a_slip_in_the_forward_pass_is_shown_with_its_line() -> None:
    with pytest.raises(UserError, match=r"AttributeError: 'Slip' object has no attribute 'c' \(test_copies.py:\d+\)$"):
        analyse(Slip(), PICTURES)


class Compiled(Plain):
    @torch.compile(backend="eager")
    def forward(self, pictures: Tensor) -> Any:
        return self.last(self.body(pictures).mean((2, 3)))


def test_a_compiled_forward_pass_is_not_compiled_for_every_width() -> None:
    network = Compiled()
    network(PICTURES)
    counters = sys.modules["torch._dynamo"].utils.counters["stats"]
    compiled = counters["unique_graphs"]
    pb.prune(network, (PICTURES, torch.tensor([0, 1])), criterion="taylor", keep=0.5)
    assert counters["unique_graphs"] == compiled


def test_threads_put_the_setting_of_compiled_functions_back() -> None:
    Compiled()(PICTURES)
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(pb.prune, Compiled(), shape=(3, 8, 8), keep=0.5) for _ in range(6)]:
            done.result()
    assert sys.modules["torch._dynamo"].eval_frame._stance.stance == "default"
