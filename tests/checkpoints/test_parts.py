"""Weights in parts, against what torch computes from them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, weight_norm

from prunebench.checkpoints.parts import joined


def no_check(key: str, tensor: Tensor) -> None:
    """Accept every tensor."""


def masked(layer: nn.Module) -> nn.Module:
    prune.l1_unstructured(layer, "weight", amount=0.5)
    prune.random_unstructured(layer, "bias", amount=1)
    return layer


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
def test_the_old_weight_norm(dim: int | None) -> None:
    torch.manual_seed(0)
    check(lambda layer: weight_norm(layer, dim=dim))  # type: ignore[arg-type, no-any-return]


@pytest.mark.parametrize("change", [masked, parametrizations.weight_norm], ids=["pruned", "weight_norm"])
def test_the_weights_are_those_that_torch_computes(change: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    check(change)


def check(change: Callable[[nn.Module], nn.Module]) -> None:
    model = nn.Sequential(change(nn.Conv2d(3, 4, 3)))
    x = torch.randn(1, 3, 3, 3)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3))
    plain.load_state_dict(joined(model.state_dict(), plain.state_dict(), no_check))
    torch.testing.assert_close(plain(x), model(x))


def test_names_of_the_network_itself_stay() -> None:
    given = {"a.weight_orig": torch.ones(2), "a.weight_mask": torch.zeros(2)}
    assert joined(given, ["b.weight_orig"], no_check) == given


def test_what_does_not_fit_together_stays() -> None:
    shapes: dict[str, tuple[int, ...]] = {"a_orig": (2,), "a_mask": (3,), "b_g": (3, 1), "b_v": (2, 2), "c_v": (4,)}
    given = {name: torch.ones(shape) for name, shape in shapes.items()}
    assert set(joined(given, ["a", "b", "c"], no_check)) == set(given)


def test_a_length_without_numbers_is_no_part() -> None:
    given = {"conv.weight_g": torch.empty(0), "conv.weight_v": torch.ones(4)}
    assert joined(given, ["conv.weight"], lambda name, tensor: None).keys() == given.keys()
