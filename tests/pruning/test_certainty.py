"""How sure a selection is, by hand, and the error of draws beside the spread over many draws."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from prunebench.criteria.kron_obd import CRITERION as KRON_OBD
from prunebench.criteria.obd import CRITERION as OBD
from prunebench.criteria.thinet import CRITERION as THINET
from prunebench.plugins.criterion import AnyCriterion
from prunebench.pruning.certainty import DrawError, Scored, selection_facts
from prunebench.pruning.masks import KeptWeights
from prunebench.pruning.selection import Rule, Selection
from prunebench.records.selection import SelectionFacts
from prunebench.scoring.score import score
from prunebench.testing import toys

Numbers = dict[str, list[float]]


def facts(
    scores: Numbers, gone: dict[str, list[int]], second: tuple[Numbers, dict[str, list[int]]] | None = None
) -> SelectionFacts:
    def scored(values: Numbers, units: dict[str, list[int]]) -> Scored:
        remove = {group: torch.tensor(numbers) for group, numbers in units.items()}
        return Scored({g: torch.tensor(v) for g, v in values.items()}, Selection(remove, {}, ()))

    pool = KeptWeights({group: torch.arange(len(values)) for group, values in scores.items()})
    return selection_facts(scored(scores, gone), pool, Rule(skip=frozenset({"skipped"})), second and scored(*second))


def test_constant_groups_and_lots_by_hand() -> None:
    scores: Numbers = {
        "a": [1, 0, 1, 1, 2],  # 0 goes first; of the three ones, one goes by lot
        "b": [3, 3, 3],  # constant
        "c": [0, 0, 5],  # both zeros go: no lot
        "d": [4],  # of one unit: nothing to choose
        "e": [7, 7],  # constant, but all stay
        "skipped": [0, 0, 0],
    }
    found = facts(scores, {"a": [1, 2], "b": [0], "c": [0, 1]})
    assert found == SelectionFacts(groups=5, removed=5, constant=("b", "e"), by_lot=2)


@pytest.mark.parametrize("seed", range(50))
def test_lots_are_those_that_the_definition_names(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = {name: torch.randint(-1, 3, (7,), generator=generator).tolist() for name in "ab"}
    gone = {name: sorted(range(7), key=values.__getitem__)[: seed % 6] for name, values in scores.items()}
    kept = {name: {v for unit, v in enumerate(values) if unit not in gone[name]} for name, values in scores.items()}
    by_lot = sum(scores[name][unit] in kept[name] for name, units in gone.items() for unit in units)
    assert facts(scores, gone).by_lot == by_lot


def test_the_error_of_draws_by_hand() -> None:
    first: Numbers = {"a": [1, 2, 3, 4], "b": [-0.9, 0, 1, 2]}
    second: Numbers = {"a": [3, 2, 3, 4], "b": [-0.9, 2, 1, 0]}
    found = facts(first, {"a": [0, 1], "b": [0]}, (second, {"a": [1, 2], "b": [0]}))
    # a: |d| / mean is 1, 0, 0, 0, so the error is sqrt(1/2/4) = .354 of a score: 2 + .71 < 3, and 1 + .35 < 3
    # b: negative scores, so the error is sqrt((4 + 4)/2/4) = 1 in units of the score: -.9 + 1 >= 0
    share = 1 / math.sqrt((0.81 + 1 + 1 + 1) / 4)  # of the root mean square of the means -.9, 1, 1, 1
    assert found.error == pytest.approx((math.sqrt(1 / 8) + share) / 2)
    assert (found.within_error, found.otherwise) == (1, 1)


def test_units_of_score_zero_have_no_error() -> None:
    zero = torch.zeros(3)
    assert DrawError.between(zero, zero).size == 0
    assert DrawError.between(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 3.0])).size == pytest.approx(math.sqrt(0.5))


def both(record: AnyCriterion, seed: int, batches: int) -> tuple[Tensor, Tensor]:
    """Two scorings of a network with independent draws, all groups together."""
    network, pictures = toys.chain(), toys.batches() * batches
    one, two = (score(record, network, pictures, torch.Generator().manual_seed(seed + n)) for n in (0, 1000))
    return torch.cat([*one.values()]), torch.cat([*two.values()])


def mean_error(record: AnyCriterion, batches: int = 1, shift: float = 0) -> float:
    pairs = [both(record, seed, batches) for seed in range(40)]
    return sum(DrawError.between(one - shift, two - shift).size for one, two in pairs) / len(pairs)


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (lambda: mean_error(KRON_OBD, 1), lambda: mean_error(KRON_OBD, 16)),
        (lambda: mean_error(OBD, 1), lambda: mean_error(OBD, 16)),
        (
            lambda: mean_error(OBD.with_options({"curvature": "hutchinson", "draws": "4"}), shift=100),  # absolute
            lambda: mean_error(OBD.with_options({"curvature": "hutchinson", "draws": "64"}), shift=100),
        ),
    ],
    ids=["pictures of kron_obd", "pictures of obd", "probes of obd"],
)
def test_sixteen_times_the_draws_have_a_quarter_of_the_error(
    few: Callable[[], float], many: Callable[[], float]
) -> None:
    assert 3 < few() / many() < 5.3


def test_the_error_is_the_spread_over_many_draws() -> None:
    scores = torch.stack([both(KRON_OBD, seed, 1)[0] for seed in range(200)])
    scores = scores[:, scores.mean(dim=0) > 0]
    spread = float((scores.std(dim=0) / scores.mean(dim=0)).square().mean().sqrt())
    assert mean_error(KRON_OBD) == pytest.approx(spread, rel=0.2)


def test_scores_without_draws_have_no_error() -> None:
    assert DrawError.between(*both(OBD.with_options({"curvature": "exact"}), 0, 1)).size == 0
    assert DrawError.between(*both(THINET, 0, 1)).size > 0
