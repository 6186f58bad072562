"""Growing regularisation: who is chosen, how the factor grows, the gradient by hand."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from prunebench.criteria.growing_reg import CRITERION, Growing
from prunebench.errors import UserError
from prunebench.plugins.regulariser import keeps_rate
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
    for options in ({"every": "0"}, {"share": "1"}, {"ceiling": "0"}, {"ratio": "1"}):
        with pytest.raises(UserError, match=r"option (every|share|ceiling|ratio)=. of 'growing_reg' must be "):
            CRITERION.with_options(options)
    assert CRITERION({"weight": torch.tensor([[1.0, -2.0]])}).item() == 3.0


def published(history: list[list[NDArray[np.float64]]], delta: float, limit: float, tau: float) -> list[float]:
    """Give the factor after every update, by the rule of the authors' code.

    history: norms of every group at every update; the first half of each is pushed.
    """
    factor, average, factors, finished = 0.0, dict[int, float](), list[float](), False
    for norms in history:
        if not finished:
            for group, sizes in enumerate(norms):
                half = len(sizes) // 2
                ratio = float(sizes[half:].mean() / sizes[:half].mean())
                average[group] = 0.9 * average[group] + 0.1 * ratio if group in average else ratio
            factor += delta
            finished = all(ratio >= limit for ratio in average.values()) or factor >= tau
        factors.append(factor)
    return factors


@pytest.mark.parametrize("slow", [1.0, 0.8])
@pytest.mark.parametrize("tau", [10.0, 0.055])
def test_the_factor_stops_at_the_magnitude_ratio_of_all_groups_or_at_the_ceiling(slow: float, tau: float) -> None:
    chain = toys.chain()
    weights = [chain.layer(group.name).get_parameter("weight") for group in chain.table.groups]
    with torch.no_grad():
        for weight in weights:
            weight[: len(weight) // 2] *= 0.01
    attached = Growing(strength=0.01, every=1, ceiling=tau, ratio=1000).attach(chain, torch.Generator())
    history, factors = list[list[NDArray[np.float64]]](), list[float]()
    for _ in range(25):
        attached.draw()
        factors.append(attached.factor)
        history.append([weight.detach().flatten(1).abs().sum(1).numpy().copy() for weight in weights])
        with torch.no_grad():
            for number, weight in enumerate(weights):
                weight[: len(weight) // 2] *= slow if number == 2 else 0.5
    expected = published(history, 0.01, 1000, tau)
    assert factors == pytest.approx([min(factor, tau) for factor in expected])  # theirs passes tau by one step
    last = {(1.0, 10.0): 0.25, (0.8, 10.0): expected[-1]}.get((slow, tau), 0.06)
    assert factors[-1] == pytest.approx(min(last, tau))
    if (slow, tau) == (0.8, 10.0):  # the ratio ends the growth, not the end of the loop
        assert 0.1 < factors[-1] < 0.25


def test_zero_units_and_groups_of_one_unit_do_not_end_in_nan() -> None:
    alone = Growing(strength=0.1, every=1).attach(toys.TOYS["single-unit"](), torch.Generator())
    assert not any(units.any() for name, units in alone.pushed().items() if len(units) == 1)
    chain = network()
    with torch.no_grad():
        for parameter in chain.model.parameters():
            parameter.zero_()
    attached = Growing(strength=0.1, every=1).attach(chain, torch.Generator())
    attached.draw()
    attached.draw()
    assert attached.penalty().item() == 0.0
    assert attached.done  # no unit is left to push


def test_the_pushed_units_are_given_by_group() -> None:
    pushed = Growing(strength=0.1).attach(network(), torch.Generator()).pushed()
    assert {name: int(chosen.sum()) for name, chosen in pushed.items()} == {"0": 3, "2": 2, "6": 4}
    assert pushed["2"].tolist() == [False, True, True, False]
    assert keeps_rate(Growing(strength=0.1))
