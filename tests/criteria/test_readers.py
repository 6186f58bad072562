"""Layers that a score has no formula for are refused by name, and numbers that are not finite are no scores."""

import pytest
import torch
from torch import nn

from prunebench import CellError
from prunebench.criteria import flap, lrp, ziplm
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.testing import toys

LABELS = torch.tensor([0, 1])


def network(*between: nn.Module) -> Network:
    layers = (nn.Conv2d(1, 4, 3, padding=1), *between, nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    model, picture = nn.Sequential(*layers).eval(), torch.randn(1, 1, 4, 4)
    model(picture)
    return Network.dense(model, analyse(model, picture, check=False))


@pytest.mark.parametrize(
    ("criterion", "between"),
    [
        (flap.CRITERION, (nn.ReLU(), nn.ConvTranspose2d(4, 3, 2))),
        (ziplm.CRITERION, (nn.ReLU(), nn.ConvTranspose2d(4, 3, 2))),
        (lrp.CRITERION, (nn.ReLU(), nn.ConvTranspose2d(4, 3, 2))),
        (lrp.CRITERION, (nn.GroupNorm(2, 4),)),
    ],
)
def test_a_layer_without_a_formula_is_named(criterion: object, between: tuple[nn.Module, ...]) -> None:
    batches = [(torch.randn(2, 1, 4, 4), LABELS)]
    with pytest.raises(CellError, match=r"layer '[12]' \((ConvTranspose2d|GroupNorm)\)"):
        score(criterion, network(*between), batches, torch.Generator())  # type: ignore[arg-type]


def test_inputs_that_are_not_finite_are_no_scores() -> None:
    (pictures, labels), *_ = toys.batches()
    pictures = pictures.clone()
    pictures[0, 0, 0, 0] = torch.nan
    with pytest.raises(CellError, match="not finite"):
        score(ziplm.CRITERION, toys.chain(), [(pictures, labels)], torch.Generator())
