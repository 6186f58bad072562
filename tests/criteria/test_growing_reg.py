"""Growing regularisation: who is chosen, how the factor grows, the gradient by hand."""

import pytest
import torch

from prunebench.criteria.growing_reg import CRITERION, Growing
from prunebench.errors import UserError
from prunebench.pruning.network import Network
from prunebench.testing import toys


def network() -> Network:
    """Build a chain whose second convolution has outputs of L1 norms 24, 6, 12 and 18."""
    chain = toys.chain()
    with torch.no_grad():
        weight = chain.layer("2").get_parameter("weight")
        weight.copy_(torch.tensor([1.0, -0.25, 0.5, -0.75])[:, None, None, None].expand_as(weight))
    return chain


def test_the_units_of_least_l1_norm_are_chosen_once() -> None:
    chain = network()
    attached = Growing(strength=0.1).attach(chain, torch.Generator())
    weight = chain.layer("2").get_parameter("weight")
    (gradient,) = torch.autograd.grad(attached.penalty(), weight)
    assert gradient.flatten(1)[:, 0].tolist() == pytest.approx([0, -0.025, 0.05, 0])  # factor w, of half the units
    with torch.no_grad():
        weight[0] *= 0.001
    (gradient,) = torch.autograd.grad(attached.penalty(), weight)
    assert gradient.flatten(1).any(dim=1).tolist() == [False, True, True, False]


def test_the_factor_grows_with_the_steps_up_to_its_ceiling() -> None:
    attached = Growing(strength=0.25, every=2, ceiling=0.6).attach(network(), torch.Generator())
    factors = []
    for _ in range(7):
        attached.draw()
        factors.append(attached.factor)
    assert factors == [0.25, 0.25, 0.5, 0.5, 0.6, 0.6, 0.6]
    first = float(attached.measure().detach())
    assert float(attached.penalty().detach()) == pytest.approx(first * 0.6 / 0.25)


def test_a_coupled_group_is_chosen_by_all_its_layers_and_shrinks_in_all() -> None:
    residual = toys.residual()
    layers = [residual.layer(name).get_parameter("weight") for name in ("stem", "conv")]
    with torch.no_grad():
        for weight, sizes in zip(layers, ([5.0, 0.1, 4.0, 1.0, 1.0], [0.0, 9.0, 1.0, 0.1, 0.2]), strict=True):
            norms = torch.tensor(sizes, dtype=weight.dtype) / weight[0].numel()
            weight.copy_(norms[:, None, None, None].expand_as(weight))
    attached = Growing(strength=1.0, share=0.4).attach(residual, torch.Generator())
    for gradient in torch.autograd.grad(attached.penalty(), layers):
        assert gradient.flatten(1).any(dim=1).tolist() == [False, False, False, True, True]  # 5, 9.1, 5, 1.1, 1.2


def test_options_and_what_is_refused() -> None:
    rule = CRITERION.with_options({"every": "5", "share": "0.25", "strength": "1e-3"}).regulariser
    assert rule == Growing(1e-3, every=5, share=0.25)
    for options in ({"every": "0"}, {"share": "1"}, {"ceiling": "0"}):
        with pytest.raises(UserError, match=r"option (every|share|ceiling)=. of 'growing_reg' must be "):
            CRITERION.with_options(options)
    assert CRITERION({"weight": torch.tensor([[1.0, -2.0]])}).item() == 3.0
