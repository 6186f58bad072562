"""Who reads a tensor, and what it becomes, on graphs written down by hand."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.pruning.network import Place
from prunebench.pruning.streams import Places, follow, read_by, readers
from prunebench.testing.toys import Net


def leaf(*size: int) -> Tensor:
    return torch.ones(*size, requires_grad=True)


def names(start: Tensor, output: Tensor, curved: bool = False) -> list[str]:
    return [node.name().partition("Backward")[0] for node in follow(start.grad_fn, curved, readers(output))][1:]


def test_a_tensor_that_one_function_reads_twice_has_two_readers() -> None:
    x = leaf(2).exp()
    assert [node.name() for node in readers(x * x)[x.grad_fn]] == ["MulBackward0"] * 2
    assert readers(torch.ones(1)) == {}


def test_only_a_reader_outside_the_module_makes_a_fork() -> None:
    x = leaf(2).exp()
    swish = x * torch.sigmoid(x)
    assert read_by(x.grad_fn, swish.grad_fn, readers(swish.sum()))
    assert not read_by(x.grad_fn, swish.grad_fn, readers(swish.sum() + x.sum()))
    unused = x.relu()
    assert not read_by(x.grad_fn, unused.grad_fn, readers(x.sum()))
    assert read_by(x.grad_fn, x.grad_fn, readers(x.sum() + x.exp().sum()))  # a module that returns its input


def test_it_is_followed_through_additions_and_one_nonlinearity() -> None:
    x, y, z = (leaf(2, 3).exp() for _ in range(3))
    assert names(x, F.relu(x + y - z).tanh().sum()) == ["Add", "Sub", "Relu"]
    assert names(x, F.relu(x).tanh().sum()) == ["Relu"]
    assert names(x, F.relu(x).sum(), curved=True) == []
    assert names(x, F.relu(x + y).sum(), curved=True) == ["Add", "Relu"]
    inner = x.clone()
    inner += y
    assert names(x, F.hardtanh(inner, 0, 6).sum()) == []  # a copy is no addition
    assert names(inner, F.hardtanh_(inner.clone(), 0, 6).sum()) == []


def test_it_is_followed_no_further_than_a_fork_unless_the_other_readers_make_its_factor() -> None:
    x, y = leaf(2, 3).exp(), leaf(2, 3).exp()
    assert names(x, (x + y).sum() + x.sum()) == []
    stream = x + y
    assert names(x, stream.relu().sum() + stream.sum()) == ["Add"]
    excited = x * x.mean(1, keepdim=True).sigmoid()
    assert names(x, F.relu(excited + y).sum()) == ["Mul", "Add", "Relu"]
    assert names(x, excited.sum() + x.sum()) == []  # another operation reads the tensor without its factor
    assert names(x, (x * 2).sum() + x.sum()) == []
    assert names(x, (x * 2).relu().sum()) == ["Mul", "Relu"]
    assert names(x.mean(1, keepdim=True), excited.sum()) == []  # of another shape


def test_the_place_of_a_tensor_is_the_first_module_that_returns_or_else_reads_it() -> None:
    layers = {"first": nn.Linear(3, 3), "inner": nn.Sequential(nn.Identity(), nn.Linear(3, 3)), "last": nn.Linear(3, 2)}
    kept: list[Any] = []

    def run(net: Any, x: Tensor) -> Tensor:
        kept.append(net.first(x))
        kept.append(net.inner(net.first(kept[0])))
        kept.append(kept[1] + 1)
        kept.append(kept[2].exp())
        return torch.as_tensor(net.last(input=kept[2]))

    model, places = Net(run, **layers), Places()
    with places.watch(model):
        model(leaf(1, 3))
    found = [places.find(tensor.grad_fn) for tensor in kept]
    assert found == [Place("first", 1), Place("inner.1", 1), Place("last", 1, "in"), None]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
