"""CHIP against NumPy's nuclear norms of feature maps with one row set to zero."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunebench.criteria import chip as module
from prunebench.criteria.chip import CRITERION, chip
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.testing import toys

EXACT: dict[str, float] = {"rtol": 1e-6, "atol": 1e-8}


def published(maps: Tensor) -> NDArray[np.float64]:
    """Channel independence as the paper writes it. maps: (pictures, units, positions...)."""
    pictures = maps.flatten(2).numpy()
    scores = np.zeros(pictures.shape[:2])
    for number, matrix in enumerate(pictures):
        for unit in range(len(matrix)):
            mask = np.ones_like(matrix)
            mask[unit] = 0
            scores[number, unit] = np.linalg.norm(matrix, "nuc") - np.linalg.norm(mask * matrix, "nuc")
    mean: NDArray[np.float64] = scores.mean(axis=0)
    return mean


def found(network: Network) -> dict[str, Tensor]:
    return score(CRITERION, network, toys.batches(), torch.Generator())


PICTURES = torch.cat([pictures for pictures, _ in toys.batches()])


@pytest.mark.parametrize(
    "shape", [(3, 5, 4, 4), (3, 9, 2, 2), (2, 6, 6), (4, 7)], ids=["wide", "tall", "square", "flat"]
)
def test_it_is_the_published_formula(shape: tuple[int, ...]) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = published(maps[:, :, None] if maps.ndim == 2 else maps)
    np.testing.assert_allclose(chip(maps).numpy(), expected, **EXACT)


def test_decompositions_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = torch.randn(2, 7, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = chip(maps)
    monkeypatch.setattr(module, "ROOM", 3 * 49)
    torch.testing.assert_close(chip(maps), together, rtol=1e-12, atol=0)


@pytest.mark.parametrize("toy", ["chain", "depthwise"])
@torch.no_grad()
def test_it_reads_the_maps_behind_the_nonlinearity(toy: str) -> None:
    network = toys.TOYS[toy]()
    model: Any = network.model.eval()
    scores = found(network)
    for group in network.table.groups:
        maps = [model[: int(network.table.tail[layer]) + 1](PICTURES) for layer in group.producers]
        expected = np.mean([published(one if one.ndim > 2 else one[:, :, None]) for one in maps], axis=0)
        np.testing.assert_allclose(scores[group.name].numpy(), expected, **EXACT)


@torch.no_grad()
def test_a_stream_is_read_behind_its_addition() -> None:
    network = toys.residual()
    model: Any = network.model.eval()
    stream = torch.relu(model.bn1(model.stem(PICTURES)))
    both = (stream, torch.relu(model.bn2(model.conv(stream)) + stream))
    expected = np.mean([published(maps) for maps in both], axis=0)
    np.testing.assert_allclose(found(network)["stem"].numpy(), expected, **EXACT)


@torch.no_grad()
def test_in_a_dense_block_the_map_is_the_layers_own_output() -> None:
    network = toys.dense()
    model: Any = network.model.eval()
    stem = model.stem(PICTURES)
    np.testing.assert_allclose(found(network)["stem"].numpy(), published(stem), **EXACT)
    first = model.conv1(model.relu(model.bn1(stem)))
    np.testing.assert_allclose(found(network)["conv1"].numpy(), published(first), **EXACT)


def test_a_map_that_others_give_costs_less_than_one_of_its_own() -> None:
    maps = torch.zeros(1, 4, 2, 2)
    maps[0, :3, 0, 0], maps[0, 3, 1, 1] = torch.tensor([2.0, 3.0, 6.0]), 2.0  # norm 7 of the first three
    one, two, three, own = chip(maps).tolist()
    assert [one, two, three] == pytest.approx([7 - 45**0.5, 7 - 40**0.5, 7 - 13**0.5], rel=1e-6)
    assert own == pytest.approx(2.0) and one < own
    assert chip(torch.zeros(2, 3, 4)).tolist() == [0, 0, 0]


def test_scores_have_the_type_of_the_maps() -> None:
    assert chip(torch.ones(1, 2, 3)).dtype == torch.float32
