"""Concatenations, flattenings and selections along whatever axis, however the axis is named."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunebench.pruning.analysis import analyse
from prunebench.testing.model import check_model
from prunebench.testing.toys import Net

PICTURES = torch.zeros(2, 3, 4, 4)


def joined(run: Callable[[nn.Module, Tensor], Tensor], width: int) -> nn.Module:
    layers = {"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(3, 8, 1), "c": nn.Conv2d(width, 6, 1), "last": nn.Linear(6, 2)}
    return Net(lambda net, x: net.last(net.c(run(net, x)).relu().mean((2, 3))), **layers)


CONCATENATIONS: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], int, set[str]]] = {
    "channels": (lambda net, x: torch.cat([net.a(x), net.b(x)], 1), 16, {"a", "b", "c"}),
    "from the end": (lambda net, x: torch.cat([net.a(x), net.b(x)], -3), 16, {"a", "b", "c"}),
    "the picture first": (lambda net, x: torch.cat([x, net.a(x), x, net.b(x)], 1), 22, {"a", "b", "c"}),
    "a constant first": (lambda net, x: torch.cat([x.new_ones(len(x), 2, 4, 4), net.a(x)], 1), 10, {"a", "c"}),
    "one twice": (lambda net, x: torch.cat([y := net.a(x).relu(), net.b(x), y], 1), 24, {"a", "b", "c"}),
    "columns": (lambda net, x: torch.cat([net.a(x), net.b(x)], 3), 8, {"a", "c"}),
    "columns from the end": (lambda net, x: torch.cat([net.a(x), net.b(x)], -1), 8, {"a", "c"}),
}


@pytest.mark.parametrize("kind", CONCATENATIONS)
def test_units_are_followed_through_concatenations(kind: str) -> None:
    run, width, groups = CONCATENATIONS[kind]
    model = joined(run, width)
    assert {group.name for group in analyse(model, PICTURES).groups} == groups
    assert check_model(model, PICTURES) == []


NOT_EXACT: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "the first channel": lambda net, x: (y := net.a(x)) * torch.sigmoid(y[:, 0]).unsqueeze(1),
    "the last, unseen by the gradient": lambda net, x: (y := net.a(x)) * torch.sigmoid(y[:, -1:].detach()),
    "the least of all": lambda net, x: (y := net.a(x).relu()) * torch.sigmoid(y.amin(1, True)),
    "the larger of two neighbours": lambda net, x: torch.maximum(y := net.a(x).relu(), y.roll(1, 1)),
    "even widths alone": lambda net, x: (y := net.a(x)) + (y.shape[1] % 2),
    "some widths alone": lambda net, x: (y := net.a(x)) + (y.shape[1] not in range(8, 33, 4)),
    "two widths of four": lambda net, x: (y := net.a(x)) * (1 + (y.shape[1] % 4 > 1)),
    "the order": lambda net, x: net.a(x).cumsum(1),
    "channels added behind": lambda net, x: torch.cat([y := net.a(x), torch.zeros_like(y[:, :4])], 1)[:, :8],
}


@pytest.mark.parametrize("kind", NOT_EXACT)
@pytest.mark.parametrize("units", [8, 32])
def test_every_unit_is_tried_and_so_is_the_floor(kind: str, units: int) -> None:
    model = joined(NOT_EXACT[kind], 8)
    if units != 8:
        model.a, model.c = nn.Conv2d(3, units, 1), nn.Conv2d(units if "behind" not in kind else 8, 6, 1)
    table = analyse(model, PICTURES)
    assert {group.name for group in table.groups} == {"c"} and "a" in table.fixed
