"""LRP against relevance that goes back layer by layer through explicit matrices, in float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.criteria.lrp import CRITERION
from prunebench.errors import CellError
from prunebench.pruning.network import Network, Table
from prunebench.scoring.score import score
from prunebench.testing import toys

Function = Callable[[Tensor], Tensor]


def examples() -> list[tuple[Tensor, int]]:
    return [(x[None], int(y)) for pictures, labels in toys.batches() for x, y in zip(pictures, labels, strict=True)]


def back(function: Function, x: Tensor, relevance: Tensor) -> Tensor:
    """R_i = sum_j (x_i w_ij)^+ / sum_k (x_k w_kj)^+ R_j, with w the matrix of a function without its bias."""
    matrix = torch.autograd.functional.jacobian(function, x).reshape(relevance.numel(), x.numel())
    terms = (matrix * x.flatten()).clamp(min=0)
    total = terms.sum(dim=1, keepdim=True)
    shares = torch.where(total > 0, terms / total, 0.0)
    return (shares * relevance.flatten()[:, None]).sum(dim=0).view_as(x)


def pooled(x: Tensor, relevance: Tensor) -> Tensor:
    """Divide the relevance of means over positions in proportion to the values."""
    total = x.sum((2, 3), keepdim=True)
    return torch.where(total != 0, x / total, 0) * relevance.reshape(*x.shape[:2], 1, 1)


def of_units(relevance: Tensor) -> Tensor:
    return relevance.abs().flatten(2).sum(dim=(0, 2)) if relevance.ndim > 2 else relevance.abs().sum(dim=0)


def one(label: int) -> Tensor:
    return torch.eye(toys.CLASSES, dtype=torch.float64)[label][None]


def of_chain(network: Network, x: Tensor, label: int) -> dict[str, Tensor]:
    """Relevance in a network that is a chain of modules, by layer."""
    model: Any = network.model
    modules, values = list(model.named_children()), [x]
    for _, module in modules:
        values.append(module(values[-1]))
    relevance, found, merged = one(label), {}, None
    for (name, module), given in reversed(list(zip(modules, values, strict=False))):
        if isinstance(module, nn.BatchNorm2d):
            merged = module
        elif isinstance(module, nn.Conv2d | nn.Linear):
            found[name] = of_units(relevance)
            function = module if merged is None else nn.Sequential(module, merged)
            relevance, merged = back(function, given, relevance), None
        elif isinstance(module, nn.AdaptiveAvgPool2d):
            relevance = pooled(given, relevance)
        else:
            relevance = relevance.view_as(given)
    return found


def of_residual(network: Network, x: Tensor, label: int) -> dict[str, Tensor]:
    model: Any = network.model
    stream = torch.relu(model.bn1(model.stem(x)))
    inner = model.bn2(model.conv(stream))
    last = torch.relu(inner + stream)
    behind = pooled(last, back(model.linear, last.mean((2, 3)), one(label)))
    share = torch.where(last > 0, behind / (inner + stream), 0)
    of_inner = inner * share
    of_stream = stream * share + back(lambda given: model.bn2(model.conv(given)), stream, of_inner)
    return {"stem": of_units(of_stream), "conv": of_units(of_inner)}


def of_dense(network: Network, x: Tensor, label: int) -> dict[str, Tensor]:
    """BatchNorms that read several layers pass relevance on, but a number that is zero has none."""
    model: Any = network.model
    stem = model.stem(x)
    first = model.conv1(torch.relu(model.bn1(stem)))
    two = torch.cat((stem, first), 1)
    second = model.conv2(torch.relu(model.bn2(two)))
    last = torch.relu(model.bn3(torch.cat((second, two), 1)))
    behind = pooled(last, back(model.linear, last.mean((2, 3)), one(label)))
    of_two = behind[:, 2:] + back(model.conv2, torch.relu(model.bn2(two)), behind[:, :2])
    of_stem = of_two[:, :4] + back(model.conv1, torch.relu(model.bn1(stem)), of_two[:, 4:])
    return {
        "stem": of_units(of_stem),
        "conv1": of_units(of_two[:, 4:] * (first != 0)),
        "conv2": of_units(behind[:, :2]),
    }


RULES = {"chain": of_chain, "depthwise": of_chain, "grouped": of_chain, "residual": of_residual, "dense": of_dense}


def found(network: Network) -> dict[str, Tensor]:
    return score(CRITERION, network, toys.batches(), torch.Generator())


@pytest.mark.parametrize("negative", [False, True], ids=["as it is", "negative BatchNorm"])
@pytest.mark.parametrize("toy", RULES)
def test_relevance_goes_back_by_the_published_rule(toy: str, negative: bool) -> None:
    network = toys.TOYS[toy]()
    network.model.eval()
    for norm in (module for module in network.model.modules() if negative and isinstance(module, nn.BatchNorm2d)):
        norm.weight.data[::2] *= -1
    by_example = [RULES[toy](network, picture, label) for picture, label in examples()]
    scores = found(network)
    for group in network.table.groups:
        expected = torch.zeros(group.units, dtype=torch.float64)
        for layer in group.producers:
            relevance = torch.stack([one_example[layer] for one_example in by_example]).mean(dim=0)
            expected += relevance[network.positions(group, layer)].sum(dim=1)
        torch.testing.assert_close(scores[group.name], expected, rtol=1e-9, atol=1e-12)


def test_relevance_is_conserved_where_nothing_is_lost() -> None:
    network = toys.chain()
    with torch.no_grad():
        for parameter in network.model.parameters():
            parameter.abs_()  # so that every layer has positive inputs
    for values in found(network).values():
        assert float(values.sum()) == pytest.approx(1)


def test_a_saturated_nonlinearity_passes_relevance_on() -> None:
    network = toys.depthwise()
    with torch.no_grad():
        for name in ("3", "6", "9"):
            network.layer(name).get_parameter("weight").abs_()
        network.layer("1").get_parameter("bias").add_(50)  # all of its ReLU6 are at 6
        network.layer("4").get_parameter("bias").add_(50)
    assert (found(network)["0"] > 0).all()


def test_a_dead_unit_and_a_network_without_logits_have_no_relevance() -> None:
    network = toys.chain()
    with torch.no_grad():
        network.layer("2").get_parameter("weight")[1] = 0
        network.layer("3").get_parameter("bias")[1] = -100
    assert found(network)["2"][1] == 0
    with torch.no_grad():
        for parameter in network.layer("9").parameters():
            parameter.zero_()
    assert all((values == 0).all() for values in found(network).values())


def test_a_layer_that_runs_twice_is_refused() -> None:
    layer = nn.Linear(3, 3).double()
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3).double(), layer, layer)
    network = Network.dense(model, Table((), {}))
    with pytest.raises(CellError, match="layer '2' runs more than once"):
        CRITERION(network, toys.batches(), torch.Generator())
