"""The Jacobian Criterion against derivatives of the loss by a factor on each component, in float64."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from prunebench.criteria.jacobian import CRITERION
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.scoring.score import score
from prunebench.testing import toys

# By toy and group: what writes the units or is a BatchNorm, and what reads them from which channel on.
PARTS: dict[str, dict[str, tuple[list[str], dict[str, int]]]] = {
    "chain": {"0": (["0"], {"2": 0}), "2": (["2", "3"], {}), "6": (["6"], {"9": 0})},
    "residual": {"stem": (["stem", "bn1", "conv", "bn2"], {"conv": 0, "linear": 0})},
    "depthwise": {"0": (["0", "1", "3", "4"], {"6": 0}), "6": (["6"], {"9": 0})},
    "dense": {"conv2": (["conv2"], {"linear": 0})},
}


def slope(network: Network, batch: tuple[Tensor, Tensor], name: str, place: tuple[int, int]) -> float:
    """Derivative of a batch's mean loss by a factor on one output channel (0, n) or input channel (1, n) of a layer."""
    own = {f"{name}.{key}": p.detach() for key, p in network.layer(name).named_parameters()}
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    axis, number = place

    def scaled(parameter: Tensor) -> Tensor:
        mask = torch.zeros(parameter.shape[axis], dtype=torch.bool)
        mask[number] = True
        shape = [-1 if at == axis else 1 for at in range(parameter.ndim)]
        return torch.where(mask.view(shape), parameter * factor, parameter)

    changed = {key: scaled(p) for key, p in own.items() if p.ndim > axis}
    loss = F.cross_entropy(functional_call(network.model, changed, (batch[0],)), batch[1])
    return float(torch.autograd.grad(loss, factor)[0])


@pytest.mark.parametrize("toy", PARTS)
def test_it_is_the_sum_of_squared_derivatives(toy: str) -> None:
    network = toys.TOYS[toy]()
    network.model.eval()
    found = score(CRITERION, network, toys.batches(), torch.Generator())
    for group, (outs, ins) in PARTS[toy].items():
        for unit, value in enumerate(found[group].tolist()):
            places = [(name, (0, unit)) for name in outs] + [(name, (1, start + unit)) for name, start in ins.items()]
            if (toy, group) == ("chain", "2"):  # four positions behind the flattening
                places += [("6", (1, 4 * unit + position)) for position in range(4)]
            if (toy, group) == ("dense", "conv2"):
                places += [("bn3", (0, unit))]
            terms = [slope(network, batch, *place) ** 2 for batch in toys.batches() for place in places]
            assert value == pytest.approx(sum(terms), rel=1e-9)


def test_products_of_a_component_may_cancel() -> None:
    """So the score differs from a sum over single weights."""
    network = remove(toys.chain(), {"0": torch.tensor([2])})
    found = score(CRITERION, network, toys.batches(), torch.Generator())
    assert found["0"].shape == (5,)
    layer = network.layer("0")
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    with torch.no_grad():
        layer.weight[3], layer.bias[3] = 0, -1  # its ReLU gives nothing
    assert score(CRITERION, network, toys.batches(), torch.Generator())["0"][3] == 0
