from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from prunebench.criteria.taylor_activation_signed import CRITERION as SIGNED
from prunebench.plugins.criterion import ModelScore
from prunebench.plugins.registry import Registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.testing.criterion import checks

FILE = Path(__file__).parents[3] / "examples" / "papers" / "taylor_2020.py"
CRITERION = Registry((str(FILE),)).criteria["taylor_2020"].plugin
Batches = list[tuple[Tensor, Tensor]]


@pytest.mark.parametrize("check", [pytest.param(check, id=name) for name, check in checks(CRITERION)])
def test_contract(check: object) -> None:
    assert callable(check)
    check()


def network(*extra: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    first = [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), *extra]
    return nn.Sequential(*first, nn.Conv2d(6, 5, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(45, 3))


def batches(count: int = 3) -> Batches:
    draws = torch.Generator().manual_seed(1)
    return [
        (torch.randn(4, 1, 8, 8, generator=draws), torch.randint(0, 3, (4,), generator=draws)) for _ in range(count)
    ]


def scores(model: nn.Module, data: Batches, seed: int = 0, **options: str) -> dict[str, Tensor]:
    assert isinstance(CRITERION, ModelScore)
    dense = Network.dense(model, analyse(model, data[0][0]))
    return score(CRITERION.with_options(options), dense, data, torch.Generator().manual_seed(seed))


def test_without_dropout_norm_and_flips_it_ranks_as_the_signed_score_in_eval_mode() -> None:
    model, data = network(), batches()
    ours = scores(model, data, flips="false")
    theirs = score(SIGNED, Network.dense(model, analyse(model, data[0][0])), data, torch.Generator())
    for name, values in ours.items():  # theirs is divided by the layer's norm, as the ranking does it for ours
        torch.testing.assert_close(values / values.norm(), theirs[name], rtol=1e-4, atol=1e-6)


def test_losses_that_rise_and_fall_cancel() -> None:
    pictures, label = torch.randn(1, 1, 8, 8), torch.tensor([0])
    model = network()
    model[-1].weight.data.zero_()
    model[-1].weight.data[0], model[-1].weight.data[1] = 1.0, -1.0  # so classes 0 and 1 pull at the units oppositely
    model[-1].bias.data.zero_()
    with torch.no_grad():
        model[-1].weight.data *= 1e-6  # logits of nothing: both pictures have the same probabilities
    one = scores(model, [(pictures, label)], flips="false")
    both = scores(model, [(torch.cat([pictures] * 2), torch.tensor([0, 1]))], flips="false")
    for name, values in both.items():
        assert float(values.max()) < 1e-3 * float(one[name].max())


def test_dropout_drops_while_scoring_and_flips_mirror() -> None:
    data = batches()
    dropping = network(nn.Dropout(0.5))
    same = [scores(dropping, data, seed, flips="false")["0"] for seed in (0, 0, 1)]
    assert torch.equal(same[0], same[1]) and not torch.equal(same[0], same[2])
    plain = network()
    assert torch.equal(*(scores(plain, data, seed, flips="false")["0"] for seed in (0, 1)))
    assert not torch.equal(*(scores(plain, data, seed)["0"] for seed in (0, 1)))


def test_ranked_globally_after_the_l2_norm() -> None:
    assert (CRITERION.published.name, CRITERION.published.normalise) == ("global", "l2")
