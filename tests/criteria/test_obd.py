"""Optimal Brain Damage against the Hessian of the loss."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from prunebench.criteria.obd import CRITERION
from prunebench.curvature.kinds import CURVATURES
from prunebench.scoring.score import score
from prunebench.testing import toys
from prunebench.testing.criterion import check_criterion


def test_exact_curvature_gives_half_w_diag_h_w() -> None:
    network, batches = toys.chain(), toys.batches()
    network.model.eval()
    pictures, labels = torch.cat([p for p, _ in batches]), torch.cat([y for _, y in batches])
    scores = score(CRITERION.with_options({"curvature": "exact"}), network, batches, torch.Generator())
    for layer in ("0", "2", "6"):
        expected = torch.zeros(network.units[layer], dtype=torch.float64)
        for name, value in network.layer(layer).named_parameters():
            value = value.detach()

            def loss(w: Tensor, full: str = f"{layer}.{name}") -> Tensor:
                return F.cross_entropy(functional_call(network.model, {full: w}, (pictures,)), labels)

            hessian = torch.autograd.functional.hessian(loss, value)  # type: ignore[no-untyped-call]
            diagonal = hessian.reshape(value.numel(), value.numel()).diagonal().view_as(value)
            expected += 0.5 * (diagonal * value.square()).reshape(len(value), -1).sum(1)
        torch.testing.assert_close(scores[layer], expected, rtol=1e-8, atol=1e-14)


def test_the_curvatures_differ_and_the_default_is_sampled() -> None:
    network, batches = toys.depthwise(), toys.batches()

    def scores(kind: str | None, seed: int = 0) -> Tensor:
        record = CRITERION if kind is None else CRITERION.with_options({"curvature": kind})
        return score(record, network, batches, torch.Generator().manual_seed(seed))["0"]

    assert torch.equal(scores(None), scores("sampled"))
    assert not torch.allclose(scores("sampled"), scores("sampled", 1))
    assert not torch.allclose(scores("exact"), scores("empirical"))
    mean = torch.stack([scores("sampled", seed) for seed in range(200)])
    error = mean.std(0) / 200**0.5
    assert ((mean.mean(0) - scores("exact")).abs() < 4 * error).all()


@pytest.mark.parametrize("kind", CURVATURES)
def test_the_contract_holds_for_every_curvature(kind: str) -> None:
    check_criterion(CRITERION.with_options({"curvature": kind}))
