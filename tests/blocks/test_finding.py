"""Which modules are blocks: those that add a branch to their own unchanged input."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.blocks.finding import Block, NoBranch, find_blocks
from prunebench.plugins.registry import get_model, load_registry

Forward = Callable[["Unit", Tensor], Tensor]


def _layer() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))


class Unit(nn.Module):
    """A branch, and a function that is the forward pass."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.branch, self.other, self.run = _layer(), _layer(), forward
        self.relu, self.six = nn.ReLU(inplace=True), nn.ReLU6()

    def forward(self, given: Tensor) -> Tensor:
        return self.run(self, given)


def around(*units: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *units, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def found_in(model: nn.Module, size: int = 8) -> tuple[Block, ...]:
    return find_blocks(model, torch.zeros(2, 3, size, size))


def in_place(unit: Unit, given: Tensor) -> Tensor:
    inner: Tensor = unit.branch(given)
    inner += given
    return unit.relu(inner)  # type: ignore[no-any-return]


KINDS: dict[str, tuple[Forward, str, tuple[float, ...]]] = {
    "sum": (lambda unit, x: x + unit.branch(x), "identity", ()),
    "the branch first": (lambda unit, x: unit.branch(x) + x, "identity", ()),
    "in place": (in_place, "Relu", ()),
    "relu6": (lambda unit, x: F.relu6(x + unit.branch(x)), "Hardtanh", (0.0, 6.0)),
    "a ReLU6 module": (lambda unit, x: unit.six(x + unit.branch(x)), "Hardtanh", (0.0, 6.0)),
    "a slope": (lambda unit, x: F.leaky_relu(x + unit.branch(x), 0.2), "LeakyRelu", (0.2,)),
    "silu": (lambda unit, x: F.silu(x + unit.branch(x)), "Silu", ()),
    "pre-activation": (lambda unit, x: x + unit.branch(F.relu(x)), "identity", ()),
    "two layers": (lambda unit, x: x + unit.other(F.relu(unit.branch(x))), "identity", ()),
    "a layer that runs twice": (lambda unit, x: x + unit.branch(unit.branch(x)), "identity", ()),
    "scaled": (lambda unit, x: x + 0.2 * unit.branch(x), "identity", ()),
    "squeeze and excitation": (
        lambda unit, x: x + (y := unit.branch(x)) * torch.sigmoid(unit.other(y.mean((2, 3), keepdim=True))),
        "identity",
        (),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_block_is_found_with_what_stands_behind_its_addition(name: str) -> None:
    forward, kind, numbers = KINDS[name]
    (block,) = found_in(around(Unit(forward)))
    assert (block.name, block.kind) == ("1", kind) and block.numbers == pytest.approx(numbers)
    assert "1.branch.0" in block.layers
    given = torch.tensor([[-9.0, -1.0, 3.0, 9.0]])
    after = {"Relu": F.relu, "Hardtanh": F.relu6, "LeakyRelu": lambda x: F.leaky_relu(x, 0.2), "Silu": F.silu}
    wanted = after[kind](given) if kind in after else given
    assert torch.equal(block.stand_in()(given), wanted)


NO_BLOCKS: dict[str, Forward] = {
    "no addition": lambda unit, x: unit.branch(x),
    "a changed bypass": lambda unit, x: F.relu(x) + unit.branch(x),
    "a layer on the bypass": lambda unit, x: unit.other(x) + unit.branch(x),
    "a factor on the bypass": lambda unit, x: torch.add(unit.branch(x), x, alpha=2),
    "a difference": lambda unit, x: unit.branch(x) - x,
    "the branch is read again": lambda unit, x: (y := unit.branch(x)) + x + F.relu(y),
}


@pytest.mark.parametrize("name", NO_BLOCKS)
def test_what_is_no_block_is_left_out(name: str) -> None:
    assert found_in(around(Unit(NO_BLOCKS[name]))) == ()


BRANCHES: dict[str, Forward] = {
    "a bypass changed in place": lambda unit, x: unit.relu(x) + unit.branch(x),
    "a sum that is read twice": lambda unit, x: F.relu(y := x + unit.branch(x)) * y,
    "a nonlinearity that is not known": lambda unit, x: F.selu(x + unit.branch(x)),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_where_the_whole_module_cannot_go_its_branch_can(name: str) -> None:
    found = found_in(around(Unit(BRANCHES[name])))
    assert [(block.name, block.kind) for block in found] == [("1.branch", "branch")]


def test_a_branch_alone_is_a_block_where_no_module_holds_the_addition() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.res, self.head = nn.Conv2d(3, 4, 3, padding=1), _layer(), nn.Linear(4, 2)

        def forward(self, pictures: Tensor) -> Tensor:
            x = self.stem(pictures)
            x = x + self.res(x)
            return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]

    assert found_in(Net()) == (Block("res", ("res.0",), "branch"),)
    given = torch.randn(2, 3)
    assert torch.equal(NoBranch()(given), torch.zeros(2, 3))


def test_shared_modules_and_shared_weights_are_no_blocks() -> None:
    add: Forward = lambda unit, x: x + unit.branch(x)  # noqa: E731
    once, tied, twin = Unit(add), Unit(add), Unit(add)
    twin.branch = tied.branch
    assert found_in(around(once, once)) == ()
    assert [block.name for block in found_in(around(tied, twin))] == []
    weights = Unit(add)
    weights.branch[0].weight = once.branch[0].weight  # type: ignore[index, union-attr]
    assert found_in(around(weights, once)) == ()


def test_of_nested_blocks_the_inner_ones_count() -> None:
    inner = Unit(lambda unit, x: x + unit.branch(x))
    outer = Unit(lambda unit, x: x + unit.branch(unit.other(x)))
    outer.other = inner
    assert [block.name for block in found_in(around(outer))] == ["1.other"]


@pytest.mark.parametrize(
    ("label", "number", "kinds"),
    [("resnet20", 7, {"Relu"}), ("mobilenetv2", 10, {"identity"}), ("resnet18", 5, {"Relu"}), ("vgg11_bn", 0, set())],
)
def test_families(label: str, number: int, kinds: set[str]) -> None:
    found = found_in(get_model(label, load_registry(()))(3, 32, 10), 32)
    assert len(found) == number and {block.kind for block in found} == kinds
