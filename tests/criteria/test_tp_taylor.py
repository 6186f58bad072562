"""Group Taylor importance against torch-pruning itself, which adds in float32."""

from typing import Any

import pytest
import torch
import torch_pruning as tp
from torch import nn
from torch.nn import functional as F

from prunebench.criteria.tp_taylor import CRITERION
from prunebench.scoring.score import score
from prunebench.testing import toys

OPTIONS: list[dict[str, Any]] = [{}, {"group_reduction": "sum", "normalizer": None}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise", "dense", "pre-activation"])
def test_it_is_torch_prunings(toy: str, options: dict[str, Any]) -> None:
    network = toys.TOYS[toy]()
    given = {name: "none" if value is None else value for name, value in options.items()}
    found = score(CRITERION.with_options(given), network, toys.batches(), torch.Generator())
    graph = tp.DependencyGraph().build_dependency(network.model, toys.batches()[0][0])
    network.model.eval()
    pictures, labels = (torch.cat(parts) for parts in zip(*toys.batches(), strict=True))
    F.cross_entropy(network.model(pictures), labels).backward()  # type: ignore[no-untyped-call]
    importance = tp.importance.GroupTaylorImportance(**options)
    for group in network.table.groups:
        layer = network.layer(group.producers[0])
        remove = tp.prune_conv_out_channels if isinstance(layer, nn.Conv2d) else tp.prune_linear_out_channels
        expected = importance(graph.get_pruning_group(layer, remove, list(range(group.units))))
        torch.testing.assert_close(found[group.name].float(), expected.float(), rtol=2e-5, atol=1e-7)
