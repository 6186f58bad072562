import math
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunebench.blocks.counting import BlockCosts
from prunebench.errors import CellError, UserError
from prunebench.models.resnet import RESNET20
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import CostModel, costs
from prunebench.pruning.masks import KeptWeights
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Lot, Ranking, Rule, Selection, _counter, lowest, random_like, select
from prunebench.records.budget import Keep
from prunebench.records.names import ScoreRanking
from prunebench.records.record import Cost
from prunebench.seeding import generator

RULES = [
    Rule(Ranking("local")),
    Rule(Ranking("global")),
    Rule(Ranking("per-cost")),
    Rule(Ranking("per-memory")),
    Rule(Ranking("isomorphic")),
    Rule(Ranking("isomorphic", normalise="mean"), round_to=4),
    Rule(Ranking("global", normalise="l2"), round_to=4),
]
BUDGETS = [Keep("macs", 0.5), Keep("params", 0.3), Keep("units", 0.77), Keep("macs", 0.99)]


@pytest.fixture(scope="module")
def resnet() -> tuple[Network, CostModel]:
    model = RESNET20(3, 32, 10)
    table = analyse(model, torch.zeros(1, 3, 32, 32), check=False)
    return Network.dense(model, table), costs(model, table)


@pytest.fixture(scope="module")
def small() -> tuple[Network, CostModel]:
    """4 units of one input at 16 positions, 2 units of 4 at 4 positions behind a stride, 3 classes."""
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1, stride=2), nn.Flatten(), nn.Linear(8, 3))
    table = analyse(model, torch.zeros(1, 1, 4, 4))
    return Network.dense(model, table), costs(model, table)


def random_scores(network: Network, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {group: torch.rand(units, generator=generator) for group, units in network.units.items()}


def removed(selection: Selection) -> dict[str, list[int]]:
    return {group: units.tolist() for group, units in selection.remove.items()}


def widths(network: Network, selection: Selection) -> dict[str, int]:
    return remove(network, selection.remove).units


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("tied", [False, True])
def test_keep_is_met_by_less_than_one_step(
    resnet: tuple[Network, CostModel], rule: Rule, budget: Keep, tied: bool
) -> None:
    network, cost = resnet
    scores = {g: torch.ones(n) for g, n in network.units.items()} if tied else random_scores(network)
    selection = select(scores, network, cost, budget, rule)
    units = widths(network, selection)
    assert selection.keep[budget.metric] == getattr(cost.cost(units), budget.metric) / getattr(
        cost.dense, budget.metric
    )
    assert selection.keep[budget.metric] <= budget.fraction
    largest = max(cost.saving(network.units, budget.metric).values()) * rule.round_to
    assert selection.keep[budget.metric] > budget.fraction - largest / getattr(cost.dense, budget.metric)
    assert all(number % rule.round_to == 0 for number in units.values())


def test_local_by_hand(small: tuple[Network, CostModel]) -> None:
    network, cost = small
    assert cost.dense.macs == 64 + 32 + 24
    scores = {"0": torch.tensor([3.0, 1.0, 2.0, 4.0]), "1": torch.tensor([0.1, 0.0])}
    # On the way down '0' narrows at the ratios 7/8, 5/8, 3/8 and '1' at 3/4: 4+2, 3+2, 3+1, 2+1, 1+1 units.
    macs = {(4, 2): 120, (3, 2): 96, (3, 1): 72, (2, 1): 52, (1, 1): 32}
    for (first, second), expected in macs.items():
        selection = select(scores, network, cost, Keep("macs", expected / 120), Rule())
        assert widths(network, selection) == {"0": first, "1": second}
    assert removed(select(scores, network, cost, Keep("macs", 0.6), Rule())) == {"0": [1], "1": [1]}
    assert removed(select(scores, network, cost, Keep("macs", 0.599), Rule())) == {"0": [1, 2], "1": [1]}


def test_global_and_per_cost_by_hand(small: tuple[Network, CostModel]) -> None:
    network, cost = small
    assert cost.saving(network.units, "macs") == {"0": 24, "1": 28}
    assert cost.saving(network.units, "params") == {"0": 4, "1": 17}  # weight, bias, readers: 1+1+2 and 4+1+12
    scores = {"0": torch.tensor([5.0, 6.0, 7.0, 8.0]), "1": torch.tensor([9.0, 99.0])}
    assert removed(select(scores, network, cost, Keep("units", 5 / 6), Rule(Ranking("global")))) == {"0": [0]}
    # 5 / 4 of '0' against 9 / 17 of '1'
    assert removed(select(scores, network, cost, Keep("params", 0.9), Rule(Ranking("per-cost")))) == {"1": [0]}
    # 5 / 24 against 9 / 28
    assert removed(select(scores, network, cost, Keep("macs", 0.9), Rule(Ranking("per-cost")))) == {"0": [0]}


def test_per_memory_by_hand(small: tuple[Network, CostModel], resnet: tuple[Network, CostModel]) -> None:
    network, cost = small
    assert cost.saving(network.units, "memory") == {"0": 16 * 4, "1": 4 * 4}  # positions x bytes of a float
    scores = {"0": torch.tensor([5.0, 6.0, 7.0, 8.0]), "1": torch.tensor([1.3, 99.0])}
    assert removed(select(scores, network, cost, Keep("units", 5 / 6), Rule(Ranking("per-memory")))) == {"0": [0]}
    scores["1"][0] = 1.2  # 1.2 / 16 against 5 / 64
    assert removed(select(scores, network, cost, Keep("units", 5 / 6), Rule(Ranking("per-memory")))) == {"1": [0]}
    stream = next(group for group in resnet[0].table.groups if "conv1" in group.producers)
    assert len(stream.producers) == 4  # the stem and three blocks write to it
    assert resnet[1].saving(resnet[0].units, "memory")[stream.name] == 4 * 32 * 32 * 4


BY_NORM = [("none", "0"), ("l2", "1"), ("mean", "1"), ("max", "1"), ("standard", "1")]


@pytest.mark.parametrize(("normalise", "first"), BY_NORM)
def test_normalise(small: tuple[Network, CostModel], normalise: str, first: str) -> None:
    network, cost = small
    scores = {"0": torch.tensor([2.0, 2.0, 2.0, 2.0]), "1": torch.tensor([3.0, 30.0])}
    selection = select(scores, network, cost, Keep("units", 5 / 6), Rule(Ranking("global", normalise=normalise)))
    assert list(selection.remove) == [first]


def test_standard_scores_count_deviations_from_the_mean(small: tuple[Network, CostModel]) -> None:
    network, cost = small
    scores = {"0": torch.tensor([1001.0, 1000.0, 1002.0, 1003.0]), "1": torch.tensor([3.0, 30.0])}  # -1.34 against -1
    found = select(scores, network, cost, Keep("units", 5 / 6), Rule(Ranking("global", normalise="standard")))
    assert removed(found) == {"0": [1]}


@pytest.mark.parametrize("budget", BUDGETS)
def test_local_widths_depend_on_the_budget_only(resnet: tuple[Network, CostModel], budget: Keep) -> None:
    network, cost = resnet
    one, two = (select(random_scores(network, seed), network, cost, budget, Rule()) for seed in (1, 2))
    assert widths(network, one) == widths(network, two) and removed(one) != removed(two)
    for group in network.table.groups:
        ratio = widths(network, one)[group.name] / group.units
        assert abs(ratio - widths(network, one)["conv1"] / 16) <= 1 / 16


def test_local_steps_of_a_ladder_lead_where_one_step_does(resnet: tuple[Network, CostModel]) -> None:
    network, cost = resnet
    step = network
    for keep in (0.8, 0.64, 0.5):
        step = remove(step, select(random_scores(step), step, cost, Keep("macs", keep), Rule()).remove)
    assert step.units == widths(network, select(random_scores(network), network, cost, Keep("macs", 0.5), Rule()))


def test_scores_are_of_the_units_still_there(small: tuple[Network, CostModel]) -> None:
    network, cost = small
    network = remove(network, {"0": torch.tensor([1])})
    scores = {"0": torch.tensor([9.0, 0.0, 5.0]), "1": torch.tensor([7.0, 8.0])}
    assert removed(select(scores, network, cost, Keep("units", 4 / 6), Rule(Ranking("global")))) == {"0": [2]}


def drawn(seed: int) -> Lot:
    return partial(generator, seed, "ties")


@pytest.mark.parametrize("name", ["local", "global"])
def test_equal_scores_of_a_group_go_by_lot(small: tuple[Network, CostModel], name: ScoreRanking) -> None:
    network, cost = small
    scores = {"0": torch.tensor([0.0, 1.0, 1.0, 1.0]), "1": torch.tensor([2.0, 3.0])}
    keep, rule = Keep("units", 3 / 6 if name == "local" else 4 / 6), Rule(Ranking(name))

    def gone() -> list[list[int]]:
        return [removed(select(scores, network, cost, keep, rule, lot=drawn(seed)))["0"] for seed in range(400)]

    found = gone()
    assert found == gone()
    assert all(0 in units and len(units) == 2 for units in found)  # the lowest goes, and one of the others
    counts = Counter(sum(units) for units in found)
    assert set(counts) == {1, 2, 3} and all(abs(n - 400 / 3) < 4 * (400 * 2 / 9) ** 0.5 for n in counts.values())


def test_the_lot_of_a_group_depends_on_no_other_group(small: tuple[Network, CostModel]) -> None:
    network, cost = small
    keep, tied = Keep("units", 4 / 6), {"0": torch.ones(4), "1": torch.tensor([2.0, 2.0])}
    alone = Rule(Ranking("global"), skip=frozenset({"1"}))
    for seed in range(20):
        together = select(tied, network, cost, keep, Rule(Ranking("global")), lot=drawn(seed))
        assert removed(together) == removed(select({"0": tied["0"]}, network, cost, keep, alone, lot=drawn(seed)))


@pytest.mark.parametrize("normalise", ["none", "mean", "max", "standard"])
def test_equal_scores_of_different_groups_follow_no_order_of_groups(normalise: Any) -> None:
    model = nn.Sequential(*(nn.Conv2d(4, 4, 1) for _ in range(5)), nn.Flatten(), nn.Linear(64, 3))
    table = analyse(model, torch.zeros(1, 4, 4, 4))
    network, cost = Network.dense(model, table), costs(model, table)
    scores = {group: torch.ones(4) for group in network.units}
    keep, rule = Keep("units", 19 / 20), Rule(Ranking("global", normalise=normalise))
    first = Counter(next(iter(select(scores, network, cost, keep, rule, lot=drawn(n)).remove)) for n in range(400))
    assert set(first) == set(network.units) and all(abs(number - 80) < 4 * 8 for number in first.values())
    half = {frozenset(select(scores, network, cost, Keep("units", 0.5), rule, lot=drawn(n)).remove) for n in range(9)}
    assert half == {frozenset(network.units)}  # groups take turns, as under `local`


@pytest.mark.parametrize("rule", RULES)
def test_scores_without_ties_depend_on_no_draw(resnet: tuple[Network, CostModel], rule: Rule) -> None:
    network, cost = resnet
    found = [select(random_scores(network), network, cost, BUDGETS[0], rule, lot=drawn(n)) for n in range(3)]
    assert removed(found[0]) == removed(found[1]) == removed(found[2])


def test_equal_scores_leave_local_widths_alone(resnet: tuple[Network, CostModel]) -> None:
    network, cost = resnet
    tied = {group: torch.zeros(units) for group, units in network.units.items()}
    found = [widths(network, select(tied, network, cost, BUDGETS[0], Rule(), lot=drawn(seed))) for seed in range(3)]
    assert found == [widths(network, select(random_scores(network), network, cost, BUDGETS[0], Rule()))] * 3


@pytest.mark.parametrize("name", ["global", "per-cost"])
def test_floors_hold_and_are_reported(resnet: tuple[Network, CostModel], name: str) -> None:
    network, cost = resnet
    scores = random_scores(network) | {"layer1.0.conv1": torch.zeros(16)}
    selection = select(scores, network, cost, Keep("macs", 0.7), Rule(Ranking(name), floor=0.3))
    assert selection.floors == ("layer1.0.conv1",)
    assert widths(network, selection)["layer1.0.conv1"] == 5


def test_negative_scores_cannot_be_divided_by_a_cost(resnet: tuple[Network, CostModel]) -> None:
    network, cost = resnet
    scores = random_scores(network) | {"layer1.0.conv1": torch.full((16,), -1.0)}
    with pytest.raises(CellError, match=r"'layer1\.0\.conv1' has negative scores"):
        select(scores, network, cost, Keep("macs", 0.7), Rule(Ranking("per-cost")))


def test_lowest() -> None:
    cases = {(10, 0.1, 1): 1, (11, 0.1, 1): 2, (5, 0.0, 1): 1, (64, 0.1, 8): 8, (12, 0.5, 8): 8, (6, 0.1, 8): 6}
    for (units, floor, multiple), expected in cases.items():
        assert lowest(units, Rule(floor=floor, round_to=multiple)) == expected


def test_skipped_groups_stay_and_need_no_scores(resnet: tuple[Network, CostModel]) -> None:
    network, cost = resnet
    skip = frozenset(group.name for group in network.table.groups if len(group.producers) > 1)
    scores = {group: values for group, values in random_scores(network).items() if group not in skip}
    selection = select(scores, network, cost, Keep("macs", 0.5), Rule(skip=skip))
    assert len(skip) == 3 and not skip & set(selection.remove) and selection.keep["macs"] <= 0.5


@pytest.mark.parametrize(("metric", "least"), [("macs", 32 / 120), ("units", 2 / 6)])
def test_an_impossible_budget_names_what_is_reachable(
    small: tuple[Network, CostModel], metric: str, least: float
) -> None:
    network, cost = small
    with pytest.raises(UserError, match=f"keep {metric}=0.1 cannot be reached: floors leave at least {least:.4f}"):
        select(random_scores(network), network, cost, Keep(metric, 0.1), Rule())


def test_an_impossible_budget_names_layers_that_keep_their_units(small: tuple[Network, CostModel]) -> None:
    network, cost = small
    table = replace(network.table, fixed={"a": "a split", "b": "a split", "c": "a split"})
    with pytest.raises(
        UserError, match=r"least 0\.\d+, and 'a', 'b' and 1 more keep their units because of a split; give"
    ):
        select(random_scores(network), replace(network, table=table), cost, Keep("macs", 0.1), Rule())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_fail_the_cell(small: tuple[Network, CostModel], bad: float) -> None:
    network, cost = small
    with pytest.raises(CellError, match="group '1' has scores that are not finite"):
        select(
            {"0": torch.zeros(4), "1": torch.tensor([0.0, bad])},
            network,
            cost,
            Keep("macs", 0.5),
            Rule(Ranking("global")),
        )


@pytest.mark.parametrize("scores", [{"0": torch.zeros(4)}, {"0": torch.zeros(4), "1": torch.zeros(3)}])
def test_missing_scores_fail_the_cell(small: tuple[Network, CostModel], scores: dict[str, Tensor]) -> None:
    network, cost = small
    with pytest.raises(CellError, match="group '1' has 2 units"):
        select(scores, network, cost, Keep("macs", 0.5), Rule())


def test_keeping_everything_removes_nothing(resnet: tuple[Network, CostModel]) -> None:
    network, cost = resnet
    assert select(random_scores(network), network, cost, Keep("macs", 1.0), Rule()).remove == {}


def test_random_like_has_the_widths_and_draws_from_its_generator(resnet: tuple[Network, CostModel]) -> None:
    network, _ = resnet
    counts = {group: max(1, units // 3) for group, units in network.units.items()}
    state = torch.get_rng_state()
    first, again, other = (random_like(counts, network, torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert remove(network, first).units == counts
    assert all(torch.equal(first[g], again[g]) for g in counts) and any(
        not torch.equal(first[g], other[g]) for g in counts
    )
    with pytest.raises(ValueError, match="cannot keep 17"):
        random_like({"conv1": 17}, network, torch.Generator())


@pytest.mark.parametrize("ranking", ["global", "per-cost"])
def test_groups_that_may_vanish_go_in_the_order_of_their_scores(ranking: ScoreRanking) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        macs = dict(zip("abcdef", rng.integers(1, 100, 6).tolist(), strict=True))
        parts = {name: {"macs": n, "params": 0, "units": 0, "bytes": 0} for name, n in macs.items()}
        costs = BlockCosts(Cost(macs=sum(macs.values()) + 50, params=1, units=6, bytes=1), parts)
        scores = {name: torch.rand(1) for name in macs}
        pool = KeptWeights({name: torch.zeros(1, dtype=torch.int64) for name in macs})
        keep = float(rng.uniform(0.3, 1.0))
        rule = Rule(Ranking(ranking), floor=0.0, vanish=True)
        worth = {name: float(scores[name]) / (macs[name] if ranking == "per-cost" else 1) for name in macs}
        gone: list[str] = []
        for name in sorted(macs, key=worth.__getitem__):
            if costs.dense.macs - sum(macs[one] for one in gone) <= keep * costs.dense.macs:
                break
            gone.append(name)
        if costs.dense.macs - sum(macs[one] for one in gone) > keep * costs.dense.macs:
            with pytest.raises(UserError, match="what is no block leaves at least"):
                select(scores, pool, costs, Keep("macs", keep), rule)
            continue
        found = select(scores, pool, costs, Keep("macs", keep), rule)
        assert sorted(found.remove) == sorted(gone) and found.floors == ()


@pytest.mark.parametrize("block", [1, 3, 64])
def test_steps_are_counted_in_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunebench.pruning.selection.BLOCK", block)
    order = np.random.default_rng(0).integers(0, 4, 40)
    taken = _counter(order, 5)
    for number in range(41):
        assert taken(number).tolist() == np.bincount(order[:number], minlength=5).tolist()
