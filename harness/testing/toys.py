"""Toy networks for the contract suite, with the structures that criteria get wrong."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.pruning.network import Group, Network, Place, Slice, Table

CLASSES = 3
PICTURE = (1, 6, 6)


class Residual(nn.Module):
    """Two BatchNorm convolutions on one residual stream, an in-place addition, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn1, self.relu = nn.Conv2d(1, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(True)
        self.conv, self.bn2 = nn.Conv2d(5, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
        self.linear = nn.Linear(5, CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (batch, 1, s, s) to (batch, classes)."""
        stream = self.relu(self.bn1(self.stem(pictures)))
        inner = self.bn2(self.conv(stream))
        inner += stream
        scores: Tensor = self.linear(self.relu(inner).mean((2, 3)))
        return scores


class Net(nn.Module):
    """Named layers and a function that is the forward pass: `run(model, pictures)`."""

    def __init__(self, run: Callable[[Any, Tensor], Any], **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, pictures: Tensor) -> Any:
        """Apply `run` to the layers and a batch of pictures."""
        return self.run(self, pictures)


def chain(units: Sequence[int] = (6, 4, 8)) -> Network:
    """Build a strided convolution with bias, one with BatchNorm and in-place ReLU, and two linear layers."""
    a, b, c = units
    model = nn.Sequential(
        *(nn.Conv2d(1, a, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(a, b, 2, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)),
        *(nn.Flatten(), nn.Linear(4 * b, c), nn.ReLU(), nn.Dropout(), nn.Linear(c, CLASSES)),
    )
    groups = (
        Group("0", a, ("0",), (_slice("0", "out", a), _slice("2", "in", a))),
        Group("2", b, ("2",), (_slice("2", "out", b), _slice("3", "out", b), _slice("6", "in", b, 4))),
        Group("6", c, ("6",), (_slice("6", "out", c), _slice("9", "in", c))),
    )
    table = Table(groups, {"0": 9, "2": 4, "6": 1, "9": 1}, {"2": "3"}, {"0": "1", "2": "4", "6": "7", "9": "9"})
    return _network(model, table)


def residual() -> Network:
    """Build a coupled group: two convolutions that write to one residual stream."""
    parts = [_slice(name, "out", 5) for name in ("stem", "bn1", "conv", "bn2")]
    parts += [_slice(name, "in", 5) for name in ("conv", "linear")]
    table = Table(
        (Group("stem", 5, ("stem", "conv"), tuple(parts)),),
        {"stem": 36, "conv": 36, "linear": 1},
        {"stem": "bn1", "conv": "bn2"},
        {"stem": "relu", "conv": "bn2", "linear": "linear"},
        {"conv": Place("relu", 2)},
    )
    return _network(Residual(), table)


def depthwise() -> Network:
    """Build a depthwise convolution coupled to the convolution before, and a 1 x 1 convolution."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU6()),
        *(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4), nn.ReLU6()),
        *(nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES)),
    )
    outs = [_slice(name, "out", 4) for name in ("0", "1", "3", "4")]
    groups = (
        Group("0", 4, ("0", "3"), (*outs, _slice("6", "in", 4))),
        Group("6", 3, ("6",), (_slice("6", "out", 3), _slice("9", "in", 3))),
    )
    tails = {"0": "2", "3": "5", "6": "6", "9": "9"}
    positions, norms = {"0": 16, "3": 16, "6": 16, "9": 1}, {"0": "1", "3": "4"}
    return _network(model, Table(groups, positions, norms, tails, depthwise={"3": "0"}))


def grouped() -> Network:
    """Build a convolution with two groups; a unit is the same position in both groups."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3, groups=2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES)),
    )
    tied = torch.arange(6).view(2, 3).T
    group = Group("2", 3, ("2",), (Slice("2", "out", tied), Slice("6", "in", tied)))
    return _network(model, Table((group,), {"0": 16, "2": 4, "6": 1}, {}, {"0": "1", "2": "3", "6": "6"}))


def dense() -> Network:
    """Build a dense block: each BatchNorm reads the outputs of all convolutions before, side by side."""

    def run(net: Any, pictures: Tensor) -> Any:
        maps = net.stem(pictures)
        maps = torch.cat((maps, net.conv1(net.relu(net.bn1(maps)))), 1)
        maps = torch.cat((net.conv2(net.relu(net.bn2(maps))), maps), 1)
        return net.linear(net.relu(net.bn3(maps)).mean((2, 3)))

    model = Net(
        run,
        stem=nn.Conv2d(1, 4, 3, padding=1, bias=False),
        relu=nn.ReLU(True),
        bn1=nn.BatchNorm2d(4),
        conv1=nn.Conv2d(4, 3, 3, padding=1, bias=False),
        bn2=nn.BatchNorm2d(7),
        conv2=nn.Conv2d(7, 2, 3, padding=1, bias=False),
        bn3=nn.BatchNorm2d(9),
        linear=nn.Linear(9, CLASSES),
    )
    pairs = (("bn1", "conv1"), ("bn2", "conv2"), ("bn3", "linear"))  # who reads the maps, and from which place on
    starts = {"stem": (0, 0, 2), "conv1": (None, 4, 6), "conv2": (None, None, 0)}
    groups = []
    for name, units in (("stem", 4), ("conv1", 3), ("conv2", 2)):
        parts = [_slice(name, "out", units)]
        for start, (norm, reader) in zip(starts[name], pairs, strict=True):
            if start is not None:
                index = torch.arange(start, start + units)[:, None]
                parts += [Slice(norm, "out", index), Slice(reader, "in", index)]
        groups.append(Group(name, units, (name,), tuple(parts)))
    positions = {"stem": 36, "conv1": 36, "conv2": 36, "linear": 1}
    return _network(model, Table(tuple(groups), positions, {}, {name: name for name in positions}))


def preactivation() -> Network:
    """Build a residual stream that BatchNorms read, with a convolution inside its block."""

    def run(net: Any, pictures: Tensor) -> Any:
        stream = net.stem(pictures)
        stream = net.out(net.relu(net.bn2(net.conv(net.relu(net.bn1(stream)))))) + stream
        return net.linear(net.relu(net.bn3(stream)).mean((2, 3)))

    model = Net(
        run,
        stem=nn.Conv2d(1, 4, 3, padding=1, bias=False),
        bn1=nn.BatchNorm2d(4),
        relu=nn.ReLU(True),
        conv=nn.Conv2d(4, 3, 3, padding=1, bias=False),
        bn2=nn.BatchNorm2d(3),
        out=nn.Conv2d(3, 4, 3, padding=1),
        bn3=nn.BatchNorm2d(4),
        linear=nn.Linear(4, CLASSES),
    )
    stream = [_slice(name, "out", 4) for name in ("stem", "out", "bn1", "bn3")]
    stream += [_slice(name, "in", 4) for name in ("conv", "linear")]
    inner = (_slice("conv", "out", 3), _slice("bn2", "out", 3), _slice("out", "in", 3))
    table = Table(
        (Group("stem", 4, ("stem", "out"), tuple(stream)), Group("conv", 3, ("conv",), inner)),
        {"stem": 36, "conv": 36, "out": 36, "linear": 1},
        {"conv": "bn2"},
        {"stem": "stem", "conv": "relu", "out": "out", "linear": "linear"},
        {"out": Place("bn3", 1, "in")},
    )
    return _network(model, table)


TOYS: dict[str, Callable[[], Network]] = {
    "chain": chain,
    "residual": residual,
    "depthwise": depthwise,
    "grouped": grouped,
    "dense": dense,
    "pre-activation": preactivation,
    "single-unit": lambda: chain((1, 1, 1)),
}


def batches(count: int = 2, size: int = 5, dtype: torch.dtype = torch.float64) -> list[tuple[Tensor, Tensor]]:
    """Return batches of (pictures, labels): (size, 1, 6, 6) and (size,); the last batch is shorter."""
    draws = torch.Generator().manual_seed(1)
    sizes = [size] * (count - 1) + [size - 2]
    return [
        (
            torch.randn(n, *PICTURE, generator=draws, dtype=torch.float64).to(dtype),
            torch.randint(CLASSES, (n,), generator=draws),
        )
        for n in sizes
    ]


def _slice(layer: str, side: str, units: int, each: int = 1) -> Slice:
    return Slice(layer, "out" if side == "out" else "in", torch.arange(units * each).view(units, each))


def _network(model: nn.Module, table: Table) -> Network:
    """Fill parameters and running statistics with random numbers that change the output; give every unit a gate."""
    draws = torch.Generator().manual_seed(0)
    for name, tensor in model.double().state_dict().items():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=draws, dtype=torch.float64)
            if tensor.ndim > 1:
                noise = (noise - 0.45) * 4 / tensor[0].numel() ** 0.5
            elif name.endswith(("bias", "mean")):
                noise = noise - 0.4
            else:  # weight and variance of a BatchNorm
                noise = noise + 0.5
            tensor.copy_(noise)
    network = Network.dense(model, table)
    network.gates = {g.name: torch.randn(g.units, generator=draws, dtype=torch.float64) for g in table.groups}
    return network
