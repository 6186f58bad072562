import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from prunebench.models.mobilenetv2 import MODEL
from prunebench.pruning.analysis import analyse

TABLE = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def macs_by_hand() -> int:
    """MACs at 32 pixels and ten classes from table 2 of the paper, strides as in kuangliu/pytorch-cifar."""
    side, units = 32, 32
    total = 27 * units * side**2
    for expansion, after, blocks, stride in TABLE:
        for block in range(blocks):
            wide = expansion * units
            total += units * wide * side**2 if expansion > 1 else 0
            side //= stride if block == 0 else 1
            total += (9 * wide + wide * after) * side**2
            units = after
    return total + units * 1280 * side**2 + 12_800


def test_published_size() -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = MODEL(3, 32, 10)
        network(torch.zeros(1, 3, 32, 32))
    assert sum(p.numel() for p in network.parameters()) == 3_504_872 - 990 * 1_281  # torchvision's for ImageNet
    assert counter.get_total_flops() == 2 * macs_by_hand() == 2 * 87_976_448


def test_names_are_torchvisions_and_every_nonlinearity_is_a_module_of_its_own() -> None:
    network = MODEL.with_options({"width": "0.35"})(1, 8, 3)
    assert "features.18.1.running_var" in network.state_dict() and "features.1.conv.0.0.weight" in network.state_dict()
    table = analyse(network, torch.zeros(2, 1, 8, 8))
    tails = {table.tail[name] for name in table.tail if isinstance(network.get_submodule(table.tail[name]), nn.ReLU6)}
    assert len(tails) == 1 + 1 + 16 * 2 + 1  # stem, the block without expansion, the others, the last


def test_width_is_rounded_to_multiples_of_eight() -> None:
    network = MODEL.with_options({"width": "0.5"})(3, 32, 10)
    assert {m.out_channels % 8 for m in network.modules() if isinstance(m, nn.Conv2d)} == {0}
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
