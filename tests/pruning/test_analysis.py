import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import mobilenet_v2, shufflenet_v2_x0_5

from prunebench.errors import UserError
from prunebench.models.lenet5 import lenet5
from prunebench.models.resnet import RESNET20
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Slice, Table
from prunebench.pruning.verification import MIXED
from prunebench.testing.toys import Net

PICTURES = torch.zeros(1, 3, 32, 32)


def find(table: Table, group: str, layer: str, side: str) -> Slice:
    return next(s for s in table.group(group).slices if (s.layer, s.side) == (layer, side))


def test_lenet5_by_hand() -> None:
    table = analyse(lenet5(1, 28, 10), torch.zeros(1, 1, 28, 28))
    assert [(g.name, g.units, g.producers) for g in table.groups] == [
        ("conv1", 20, ("conv1",)),
        ("conv2", 50, ("conv2",)),
        ("fc1", 500, ("fc1",)),
    ]
    assert table.positions == {"conv1": 24 * 24, "conv2": 8 * 8, "fc1": 1, "fc2": 1}
    # A channel of 4 x 4 positions is 16 columns of the linear layer behind the flattening.
    assert torch.equal(find(table, "conv2", "fc1", "in").index, torch.arange(800).view(50, 16))


def test_streams_of_a_resnet_are_groups_and_the_shortcut_parts_them() -> None:
    table = analyse(RESNET20(3, 32, 10), PICTURES)
    assert len(table.groups) == 12  # nine inner ones and three streams
    stream = table.group("layer2.0.conv2")
    assert stream.producers == ("layer2.0.conv2", "layer2.1.conv2", "layer2.2.conv2")
    assert find(table, "conv1", "layer2.0.shortcut", "in").index.flatten().tolist() == list(range(16))
    assert find(table, "layer2.0.conv2", "layer2.0.shortcut", "out").index.flatten().tolist() == list(range(32))


def test_depthwise_convolutions_go_with_their_input() -> None:
    table = analyse(mobilenet_v2(weights=None, num_classes=5), PICTURES)
    assert table.group("features.2.conv.0.0").producers == ("features.2.conv.0.0", "features.2.conv.1.0")


def test_groups_share_a_layer_behind_a_concatenation() -> None:
    layers = {"a": nn.Conv2d(3, 4, 1), "b": nn.Conv2d(4, 6, 1), "norm": nn.BatchNorm2d(10), "c": nn.Conv2d(10, 2, 1)}
    model = Net(lambda net, x: net.c(net.norm(torch.cat([net.b(a := net.a(x)), a], dim=1))).flatten(1), **layers)
    table = analyse(model, PICTURES)
    assert find(table, "a", "norm", "out").index.flatten().tolist() == [6, 7, 8, 9]
    assert find(table, "b", "c", "in").index.flatten().tolist() == [0, 1, 2, 3, 4, 5]


def test_positions_are_matched_to_units_in_whatever_order_they_come() -> None:
    layers = {"a": nn.Conv2d(3, 64, 1), "b": nn.Conv2d(3, 64, 1), "last": nn.Linear(64 * 4, 2)}
    model = Net(lambda net, x: net.last(net.a(x).flatten(1) + net.b(x).flatten(1)), **layers)
    table = analyse(model, torch.zeros(1, 3, 2, 2))  # torch-pruning gives the units of b in a scrambled order
    for layer in ("a", "b"):
        assert find(table, "a", layer, "out").index.flatten().tolist() == list(range(64))


class Noisy(nn.Sequential):
    """Draws from the global generator in eval mode, too."""

    def forward(self, pictures: Tensor) -> Tensor:
        return super().forward(pictures + torch.rand_like(pictures)).flatten(1)


def test_a_model_that_draws_leaves_the_generator_alone() -> None:
    model = Noisy(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1))
    state = torch.get_rng_state()
    analyse(model, PICTURES, check=False)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_generator_are_left_alone(training: bool) -> None:
    model = RESNET20(3, 32, 10).train(training)
    model.conv1.weight.requires_grad_(False)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    with torch.no_grad():
        table = analyse(model, PICTURES)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training == training for module in model.modules())
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["conv1.weight"]
    assert all(p.grad is None for p in model.parameters())
    assert "conv1" in table.group("conv1").producers  # frozen parameters are in the table


class ByValue(nn.Sequential):
    """Looks at its numbers, so it cannot run without them."""

    def forward(self, pictures: Tensor) -> Tensor:
        result: Tensor = super().forward(pictures)
        return result + float(result.detach().sum())


def test_a_model_that_looks_at_its_numbers_is_analysed_with_them() -> None:
    model = ByValue(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(8 * 1024, 2))
    assert analyse(model, PICTURES).group("0").units == 8


def tied(*layers: nn.Module, size: int = 4) -> Table:
    return analyse(nn.Sequential(*layers, nn.Flatten()), torch.zeros(2, 4, size, size))


def test_the_same_positions_of_a_grouped_convolutions_groups_are_one_unit() -> None:
    table = tied(nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1, groups=2), nn.Conv2d(4, 2, 1))
    assert [(g.name, g.units, g.producers) for g in table.groups] == [("0", 3, ("0",)), ("2", 2, ("2",))]
    for layer, side in (("0", "out"), ("1", "out"), ("2", "in")):
        assert find(table, "0", layer, side).index.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert find(table, "2", "3", "in").index.tolist() == [[0, 2], [1, 3]]


def test_two_grouped_convolutions_tie_what_each_of_them_ties() -> None:
    groups = tied(nn.Conv2d(4, 12, 1), nn.Conv2d(12, 12, 1, groups=2), nn.Conv2d(12, 6, 1, groups=3)).groups
    assert [(g.name, g.units) for g in groups] == [("0", 6), ("1", 2)]  # 12 over 2 groups of 6 and 3 groups of 4


def joined(picture: bool) -> nn.Module:
    """Give a grouped convolution over the units of two layers, or of one and the picture."""
    layers = {"a": nn.Conv2d(4, 4, 1), "b": nn.Identity() if picture else nn.Conv2d(4, 4, 1)}
    layers |= {"c": nn.Conv2d(8, 8, 1, groups=2), "last": nn.Linear(8, 2)}
    return Net(lambda net, x: net.last(net.c(torch.cat([net.a(x), net.b(x.relu())], dim=1)).mean((2, 3))), **layers)


def test_a_grouped_convolution_joins_two_layers() -> None:
    table = analyse(joined(picture=False), torch.zeros(2, 4, 4, 4))
    assert [(g.name, g.units, g.producers) for g in table.groups] == [("a", 4, ("a", "b")), ("c", 4, ("c",))]


def test_units_tied_to_channels_of_the_picture_stay() -> None:
    table = analyse(joined(picture=True), torch.zeros(2, 4, 4, 4))
    assert [(g.name, g.units) for g in table.groups] == [("c", 4)]
    assert table.fixed == {"a": "'c', which does not use all units in the same way"}


def test_depthwise_convolutions_name_the_layer_that_only_they_read() -> None:
    table = analyse(mobilenet_v2(weights=None, num_classes=5), PICTURES)
    assert len(table.depthwise) == 17
    assert table.depthwise["features.1.conv.0.0"] == "features.0.0"
    layers = {"stem": nn.Conv2d(3, 4, 1), "depth": nn.Conv2d(4, 4, 3, padding=1, groups=4), "last": nn.Linear(4, 2)}
    skip = Net(lambda net, x: net.last(((stem := net.stem(x)) + net.depth(stem)).mean((2, 3))), **layers)
    assert analyse(skip, torch.zeros(2, 3, 4, 4)).depthwise == {"depth": ""}


def test_units_that_cannot_be_followed_stay_and_the_table_says_why() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 1), nn.LayerNorm([8, 32, 32]), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(4 * 1024, 2)),
    )
    table = analyse(model, PICTURES)
    assert [group.name for group in table.groups] == ["2"]
    assert table.fixed == {"0": "'1' (LayerNorm)"}


def test_shufflenet_keeps_what_it_shuffles() -> None:
    table = analyse(shufflenet_v2_x0_5(weights=None, num_classes=5), PICTURES)
    assert "stage2.1.branch2.0" in {group.name for group in table.groups}
    assert table.fixed["stage2.1.branch2.5"] in ("a reshape that mixes channels", "a split of the channels")


def applied(function: Callable[[Tensor], Tensor], after: int) -> nn.Module:
    """Do something to the units of the second of three convolutions."""
    layers = {"a": nn.Conv2d(3, 6, 1), "b": nn.Conv2d(6, 8, 1), "c": nn.Conv2d(after, 6, 1), "last": nn.Linear(6, 2)}
    return Net(lambda net, x: net.last(net.c(function(net.b(net.a(x)))).mean((2, 3))), **layers)


APPLIED: list[tuple[Callable[[Tensor], Tensor], int, str]] = [
    (lambda x: F.glu(x, 1), 4, MIXED),
    (lambda x: F.pixel_shuffle(x, 2), 2, MIXED),
    (lambda x: F.pixel_unshuffle(x, 2), 32, MIXED),
    (lambda x: x * torch.sigmoid(x.mean(1, keepdim=True) + x.amax(1, keepdim=True)), 8, MIXED),
    (lambda x: x[:, [3, 1, 2, 0, 4, 5, 6, 7]], 8, MIXED),
    (lambda x: x.flip(1), 8, MIXED),
    (lambda x: x.softmax(1), 8, MIXED),
    (lambda x: F.pad(x, (0, 0, 0, 0, 2, 2)), 12, "a padding of the channels"),
]


@pytest.mark.parametrize(("function", "after", "reason"), APPLIED)
def test_layers_before_an_operation_on_channels_keep_their_units(
    function: Callable[[Tensor], Tensor], after: int, reason: str
) -> None:
    table = analyse(applied(function, after), torch.zeros(1, 3, 4, 4))
    assert [group.name for group in table.groups] == ["a", "c"]
    assert table.fixed == {"b": reason}


def test_padded_pictures_are_no_padded_channels() -> None:
    assert not analyse(applied(lambda x: F.pad(x, (1, 2, 0, 1)), 8), torch.zeros(1, 3, 4, 4)).fixed


@pytest.mark.parametrize("stream", [4, 8])
def test_a_shortcut_of_padded_channels_keeps_its_units(stream: int) -> None:
    def forward(net: Any, pictures: Tensor) -> Any:
        stem = net.stem(pictures).relu()
        shortcut = F.pad(stem[:, :, ::2, ::2], (0, 0, 0, 0, stream // 2, stream // 2))
        return net.last((net.outer(net.inner(stem).relu()) + shortcut).mean((2, 3)))

    layers = {"stem": nn.Conv2d(3, stream, 1), "inner": nn.Conv2d(stream, 6, 1)}
    layers |= {"outer": nn.Conv2d(6, 2 * stream, 1, stride=2), "last": nn.Linear(2 * stream, 2)}
    table = analyse(Net(forward, **layers), torch.zeros(1, 3, 4, 4))
    assert [group.name for group in table.groups] == ["inner"]
    assert set(table.fixed) == {"stem", "outer"}


def test_a_layer_left_with_one_unit_keeps_it() -> None:
    table = tied(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 16, 1, groups=8), nn.Conv2d(16, 1, 1), nn.Conv2d(1, 2, 1))
    assert [(g.name, g.units) for g in table.groups] == [("1", 2)]
    assert table.fixed == {"0": "'1', whose groups must stay equal", "2": "its width of one unit"}


def test_a_network_of_one_output_has_no_layer_to_report() -> None:
    assert not analyse(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4, 1)), torch.zeros(1, 3, 1, 1)).fixed


FIXED = Net(  # has the width of its layer in the forward pass
    lambda net, x: net.linear(net.conv(x).mean((2, 3)).view(-1, 8)), conv=nn.Conv2d(3, 8, 1), linear=nn.Linear(8, 2)
)
ROLLED = Net(  # adds a stream to itself, shifted by one unit
    lambda net, x: net.last(torch.relu((stream := net.conv(x)) + stream.roll(1, dims=1))).flatten(1),
    conv=nn.Conv2d(3, 8, 1),
    last=nn.Conv2d(8, 2, 1),
)
PAIR = Net(lambda net, x: (net.linear(x.flatten(1)),) * 2, linear=nn.Linear(4, 2))
SIZES = "on pictures of 3 x 2 x 2 pixels in layer '0': RuntimeError: "
REFUSED = [
    (
        nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)),
        (3, 2, 2),
        r"could be removed: units are filters of Conv2d and outputs of Linear; '1' is a Conv1d$",
    ),
    (
        nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5)),
        (3, 2, 2),
        r"could be removed: units are filters of Conv2d and outputs of Linear; '1' is a Conv3d$",
    ),
    (nn.Sequential(nn.Flatten(), nn.ReLU()), (3, 2, 2), "no layer whose units could be removed$"),
    (nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2), "no layer whose units could be removed$"),
    (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.LayerNorm([8, 2, 2]), nn.Conv2d(8, 2, 1), nn.Flatten()),
        (3, 2, 2),
        r"could be removed: '0' keeps its units because of '1' \(LayerNorm\)$",
    ),
    (
        FIXED,
        (3, 4, 4),
        r"could be removed: 'conv' .* fails when its units are changed, .*: RuntimeError: shape '\[-1, 8\]' is inv.*6$",
    ),
    (ROLLED, (3, 4, 4), f"could be removed: 'conv' keeps its units because of {MIXED}$"),
    (nn.Sequential(nn.Conv2d(1, 8, 1), nn.Conv2d(8, 2, 1)), (3, 2, 2), SIZES + "Given groups=1"),
    (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 2)), (3, 2, 2), SIZES + "Calculated padded input"),
    (PAIR, (1, 2, 2), r"returns a tuple in eval mode; it must return one tensor, \(batch, classes\)$"),
    (nn.Sequential(nn.Conv2d(3, 8, 1)), (3, 2, 2), r"returns \(2, 8, 2, 2\) for 2 pictures; it must return \(batch, "),
    (
        nn.Sequential(nn.Conv2d(4, 2, 1, groups=2), nn.Flatten(), nn.Linear(8, 2)),
        (4, 2, 2),
        "'0' keeps its units because it has 2 groups of one output channel and several input channels$",
    ),
    (
        Net(lambda net, x: net.last(net.conv(x).mean((2, 3)).squeeze()), conv=nn.Conv2d(3, 8, 1), last=nn.Linear(8, 2)),
        (3, 2, 2),
        r"it returns \(2,\) for 1 picture; .*; squeeze\(\) drops the batch, too: use flatten\(1\)$",
    ),
]


@pytest.mark.parametrize(("model", "shape", "reason"), REFUSED)
def test_refusals_name_the_model_and_the_layer(model: nn.Module, shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(UserError, match=f"^mine cannot be pruned: .*{reason}") as caught:
        analyse(model, torch.zeros(1, *shape), "mine")
    assert "\n" not in str(caught.value)


def test_the_classes_are_compared() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(32, 5))
    assert analyse(model, torch.zeros(1, 3, 2, 2), classes=5).groups
    with pytest.raises(UserError, match="has 5 classes, the data have 7; build it for 7, or give data of 5 classes"):
        analyse(model, torch.zeros(1, 3, 2, 2), classes=7)


def test_the_analysis_does_not_import_timm() -> None:
    """torch-pruning would: it takes seconds, for a count of MACs that nothing uses."""
    code = "import sys, prunebench.pruning.analysis; sys.exit('timm' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
