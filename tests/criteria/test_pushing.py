"""The pushed units: how many, and which."""

import pytest
import torch

from prunebench.criteria._pushing import lowest, written_by
from prunebench.testing import toys


@pytest.mark.parametrize(
    ("units", "share", "count"),
    [
        (20, 0.5, 10),
        (5, 0.5, 3),
        (5, 0.01, 1),
        (100, 0.07, 7),
        (100, 0.29, 29),
        (10, 0.91, 9),
        (2, 0.9, 1),
        (1, 0.5, 0),
    ],
)
def test_a_share_of_the_units_is_rounded_up_but_never_all(units: int, share: float, count: int) -> None:
    norms = torch.randperm(units, generator=torch.Generator().manual_seed(0)).double()
    assert sorted(norms[lowest(norms, share)].tolist()) == list(range(count))


def test_depthwise_and_coupled_layers_write_the_units_too() -> None:
    residual, depthwise = toys.residual(), toys.depthwise()
    assert [part.layer for part in written_by(residual, residual.table.groups[0])] == ["stem", "conv"]
    assert [part.layer for part in written_by(depthwise, depthwise.table.groups[0])] == ["0", "3"]
