"""Group magnitude against torch-pruning itself, which adds in float32."""

from typing import Any

import pytest
import torch
import torch_pruning as tp
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import load_registry
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.testing import toys

OPTIONS: list[dict[str, Any]] = [
    {},
    {"p": 1, "group_reduction": "first", "normalizer": None},
    {"group_reduction": "sum", "normalizer": "standarization"},
    {"normalizer": "gaussian"},
    {"normalizer": "max"},
    {"normalizer": "sum"},
]


def ours(options: dict[str, Any], network: Network) -> dict[str, Tensor]:
    given = ",".join(f"{name}={'none' if value is None else value}" for name, value in options.items())
    criterion = parse_method(f"tp_magnitude:{given}" if given else "tp_magnitude", load_registry(())).score
    assert criterion is not None
    return score(criterion, network, [], torch.Generator())


def theirs(importance: Any, network: Network) -> dict[str, Tensor]:
    graph = tp.DependencyGraph().build_dependency(network.model, toys.batches()[0][0])
    found = {}
    for group in network.table.groups:
        layer = network.layer(group.producers[0])
        remove = tp.prune_conv_out_channels if isinstance(layer, nn.Conv2d) else tp.prune_linear_out_channels
        found[group.name] = importance(graph.get_pruning_group(layer, remove, list(range(group.units))))
    return found


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise", "dense", "pre-activation"])
def test_it_is_torch_prunings(toy: str, options: dict[str, Any]) -> None:
    network = toys.TOYS[toy]()
    found, expected = ours(options, network), theirs(tp.importance.GroupMagnitudeImportance(**options), network)
    for name, values in found.items():
        torch.testing.assert_close(values.float(), expected[name].float(), rtol=2e-5, atol=2e-6)


def test_units_of_weight_zero_have_the_score_zero() -> None:
    network = toys.chain()
    with torch.no_grad():
        for name in ("0", "2"):
            network.layer(name).get_parameter("weight").zero_()
    assert ours({}, network)["0"].tolist() == [0] * 6
    with pytest.raises(UserError, match="option p=0 of 'tp_magnitude' must be more than 0"):
        ours({"p": 0}, network)
