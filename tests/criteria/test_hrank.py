"""HRank against numpy's rank of every feature map."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from prunebench.criteria.hrank import CRITERION, hrank
from prunebench.scoring.score import score
from prunebench.testing import toys


def test_it_counts_the_dimensions_that_a_map_was_made_of() -> None:
    draws = torch.Generator().manual_seed(0)
    ranks = torch.tensor([[0, 1, 5], [2, 3, 8]])
    maps = torch.zeros(2, 3, 8, 12)
    for example, unit in np.ndindex(2, 3):
        left, right = (torch.randn(n, int(ranks[example, unit]), generator=draws) for n in (8, 12))
        maps[example, unit] = left @ right.T
    assert hrank(maps).tolist() == [1.0, 2.0, 6.5]


@pytest.mark.parametrize("toy", ["chain", "depthwise"])
@torch.no_grad()
def test_it_is_numpys_mean_rank_of_the_maps_after_relu(toy: str) -> None:
    network, pictures = toys.TOYS[toy](), torch.cat([pictures for pictures, _ in toys.batches()])
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    scores = score(CRITERION, network, toys.batches(), torch.Generator())

    def mean_rank(layer: str) -> torch.Tensor:
        maps = model[: int(network.table.tail[layer]) + 1](pictures).numpy()
        return torch.from_numpy(np.linalg.matrix_rank(maps).mean(0))

    for group in network.table.groups:
        if group.name != "6" or toy == "depthwise":  # not the linear layer
            expected = torch.stack([mean_rank(layer) for layer in group.producers]).mean(0)
            torch.testing.assert_close(scores[group.name], expected)


@torch.no_grad()
def test_a_stream_is_read_behind_its_addition() -> None:
    network, pictures = toys.residual(), torch.cat([pictures for pictures, _ in toys.batches()])
    model: Any = network.model.eval()
    stream = torch.relu(model.bn1(model.stem(pictures)))
    both = (stream, torch.relu(model.bn2(model.conv(stream)) + stream))
    expected = np.mean([np.linalg.matrix_rank(maps.numpy()).mean(0) for maps in both], axis=0)
    scores = score(CRITERION, network, toys.batches(), torch.Generator())["stem"]
    torch.testing.assert_close(scores, torch.from_numpy(expected))


def test_a_linear_layers_output_has_rank_one_where_it_is_not_zero() -> None:
    assert hrank(torch.tensor([[0.0, 2.0], [0.0, 0.0]])).tolist() == [0.0, 0.5]
    assert hrank(torch.tensor([[[0.0, 2.0], [0.0, 0.0]]])).tolist() == [1.0, 0.0]
