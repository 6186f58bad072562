"""The oracle's scores against masked networks, unit by unit and block by block."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.blocks.checking import masked_blocks, removable_blocks
from prunebench.blocks.counting import block_costs
from prunebench.criteria.oracle import oracle
from prunebench.errors import CellError, UserError
from prunebench.plugins.criterion import ModelScore
from prunebench.plugins.identity import identity
from prunebench.plugins.registry import get_criterion, get_model, load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import costs
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove, zero_units
from prunebench.scoring.score import score
from prunebench.study.structure import WholeBlocks
from prunebench.testing import toys

DRAWS = torch.Generator()


def loss(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> float:
    with torch.no_grad():
        model.eval()
        losses = [F.cross_entropy(model(pictures), labels, reduction="none") for pictures, labels in batches]
    return float(torch.cat(losses).mean())


@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise"])
def test_a_unit_is_worth_what_its_mask_costs(toy: str) -> None:
    network, batches = toys.TOYS[toy](), toys.batches()
    found = score(get_criterion("oracle", load_registry(())), network, batches, DRAWS)
    for group, kept in network.kept.items():
        for unit, value in zip(kept, found[group].tolist(), strict=True):
            masked = deepcopy(network)
            zero_units(masked, {group: unit[None]})
            assert value == pytest.approx(loss(masked.model, batches) - loss(network.model, batches), abs=1e-6)


def test_the_absolute_change_is_its_size() -> None:
    signed, absolute = (
        score(get_criterion(name, load_registry(())), toys.chain(), toys.batches(), DRAWS)
        for name in ("oracle", "oracle:change=absolute")
    )
    assert any((values < 0).any() for values in signed.values())
    for group, values in signed.items():
        assert torch.equal(absolute[group], values.abs())


def test_the_only_unit_of_a_group_cannot_be_removed() -> None:
    network = remove(toys.chain(), {"2": torch.tensor([0, 2, 3])})
    assert score(get_criterion("oracle", load_registry(())), network, toys.batches(), DRAWS)["2"].tolist() == [0]


@pytest.fixture(scope="module")
def resnet() -> tuple[Network, WholeBlocks]:
    torch.manual_seed(0)
    model = get_model("resnet20", load_registry(()))(1, 8, toys.CLASSES).eval()
    pictures = torch.randn(4, 1, 8, 8)
    table = analyse(model, pictures, check=False)
    blocks = removable_blocks(model, table, pictures, "resnet20")
    return Network.dense(model, table), WholeBlocks(blocks, block_costs(model, table, blocks), costs(model, table))


def pictures() -> list[tuple[Tensor, Tensor]]:
    draws = torch.Generator().manual_seed(1)
    return [(torch.randn(3, 1, 8, 8, generator=draws), torch.tensor([0, 1, 2])) for _ in range(2)]


def test_a_block_is_worth_what_its_mask_costs(resnet: tuple[Network, WholeBlocks]) -> None:
    network, structure = resnet
    found = structure.score(get_criterion("oracle", load_registry(())), network, pictures(), DRAWS)
    assert len(structure.blocks) == 7
    for block in structure.blocks:
        change = loss(masked_blocks(network, [block]).model, pictures()) - loss(network.model, pictures())
        assert found[block.name].tolist() == pytest.approx([change], abs=1e-5)


def test_removed_blocks_have_no_score(resnet: tuple[Network, WholeBlocks]) -> None:
    network, structure = resnet
    first = structure.blocks[0].name
    less = structure.remove(network, {first: torch.tensor([0])})
    found = structure.score(get_criterion("oracle", load_registry(())), less, pictures(), DRAWS)
    assert [len(found[block.name]) for block in structure.blocks] == [0, 1, 1, 1, 1, 1, 1]


def test_a_score_of_blocks_of_another_shape_is_refused(resnet: tuple[Network, WholeBlocks]) -> None:
    network, structure = resnet
    wrong = ModelScore(
        lambda model, batches, generator: {},
        "wrong",
        of_blocks=lambda network, without, batches, generator: torch.zeros(2),
    )
    with pytest.raises(CellError, match=r"'wrong': of_blocks gives scores of shape \(2,\), not \(7,\)"):
        structure.score(wrong, network, pictures(), DRAWS)


def test_a_network_without_any_block_left_is_scored(resnet: tuple[Network, WholeBlocks]) -> None:
    network, structure = resnet
    none = structure.remove(network, {block.name: torch.tensor([0]) for block in structure.blocks})
    found = structure.score(get_criterion("oracle", load_registry(())), none, pictures(), DRAWS)
    assert not any(len(values) for values in found.values())


def test_a_score_of_blocks_takes_the_options_of_the_score() -> None:
    right = r"take \(network, without, batches, generator, change\), not \(one\)"
    with pytest.raises(UserError, match=right):
        ModelScore(oracle, of_blocks=lambda one: torch.zeros(1))


def test_a_criterion_without_a_score_of_blocks_keeps_its_key() -> None:
    assert "of_blocks" in identity(get_criterion("oracle", load_registry(())))
    assert "of_blocks" not in identity(get_criterion("synflow", load_registry(())))


def test_a_score_of_blocks_has_gradients_a_generator_and_the_options_of_the_score(
    resnet: tuple[Network, WholeBlocks],
) -> None:
    def scored(model: Any, batches: Any, generator: Any, *, power: float = 2.0) -> Any:
        raise AssertionError

    def of_blocks(network: Any, without: Any, batches: Any, generator: Any, *, power: float = 7.0) -> Tensor:
        F.cross_entropy(network.model(batches[0][0]), batches[0][1]).backward()
        draw = torch.rand(1, generator=generator)
        return torch.stack([draw[0] ** 0 * power for _ in without])

    network, structure = resnet
    found = structure.score(ModelScore(scored, of_blocks=of_blocks), network, pictures(), torch.Generator())
    assert [value.tolist() for value in found.values()] == [[2.0]] * 7
    assert all(parameter.grad is None for parameter in network.model.parameters())
