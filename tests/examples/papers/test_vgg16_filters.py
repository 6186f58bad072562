from pathlib import Path

import pytest
import torch

from prunebench.plugins.registry import Registry, get_model
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import costs

FILE = Path(__file__).parents[3] / "examples" / "papers" / "vgg16_filters.py"
PRUNED = (22, 29, 48, 39, 66, 62, 61, 64, 53, 61, 59, 46, 30)  # widths that the Taylor paper reports


@pytest.mark.slow
def test_filters_alone_are_pruned_and_the_papers_counts_are_exact() -> None:
    model = get_model("vgg16_filters", Registry((str(FILE),)))
    with torch.device("meta"):
        weights = [p for name, p in model(3, 224, 10).named_parameters() if name.endswith("weight")]
    assert sum(p.numel() for p in weights) == 134_289_088
    network = model(3, 224, 2)
    table = analyse(network, torch.zeros(1, 3, 224, 224), check=False)
    assert {*table.fixed} == {"classifier.0", "classifier.3"}
    assert sum(group.units for group in table.groups) == 4224
    counted = costs(network, table)
    assert counted.dense.params == 134_268_738
    pruned = dict(zip((group.name for group in table.groups), PRUNED, strict=True))
    assert counted.cost(pruned).params == 23_109_104
    features = counted.cost(pruned).params - 4096 * 4097 - 2 * 4097
    assert features == 6_319_598  # convolutions and the first linear layer


def test_the_replaced_functions_change_no_value() -> None:
    kept = Registry((str(FILE),)).models["vgg16_filters"].plugin.build.__globals__["KeptReLU"]()
    hidden = torch.randn(3, 8)
    torch.testing.assert_close(kept(hidden), hidden.relu())
