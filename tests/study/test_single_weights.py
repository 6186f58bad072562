from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from prunebench.criteria.magnitude import CRITERION as MAGNITUDE
from prunebench.errors import CellError, UserError
from prunebench.models.lenet5 import MODEL as LENET5
from prunebench.plugins.criterion import Criterion
from prunebench.plugins.expressions import Method
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import WeightCosts, costs
from prunebench.pruning.masks import kept_weights
from prunebench.pruning.network import Network, weight_of
from prunebench.pruning.selection import Ranking, Rule, random_like, select
from prunebench.records.budget import Keep
from prunebench.records.protocol import Protocol
from prunebench.study.grid import Job, make_grid, make_trajectory
from prunebench.study.networks import load, load_into
from prunebench.study.store import Store
from prunebench.study.structure import SingleWeights, check_for_weights, unit_counts
from prunebench.study.trajectory import Trajectory
from prunebench.training.evaluate import evaluate

KEEPS = (0.5, 0.1)
CRITERIA = ("magnitude", "obd", "random", "l1", "shuffle:obd", "scratch:obd", "dense_continued")


@pytest.fixture(scope="module")
def lenet() -> Network:
    torch.manual_seed(0)
    model = LENET5(1, 28, 10)
    return Network.dense(model, analyse(model, torch.zeros(1, 1, 28, 28)))


@pytest.fixture(scope="module")
def weights(lenet: Network) -> SingleWeights:
    units = costs(lenet.model, lenet.table)
    return SingleWeights(WeightCosts(units.dense, units.weight_counts), units)


def cut(
    weights: SingleWeights, network: Network, keep: float, ranking: Any, criterion: Criterion = MAGNITUDE
) -> Network:
    scores = weights.score(criterion, network, [], torch.Generator().manual_seed(0))
    rule = Rule(Ranking(ranking), floor=weights.rule.floor)
    selection = select(scores, weights.pool(network), weights.costs, Keep("weights", keep), rule)
    return weights.remove(network, selection.remove)


def prunable(model: nn.Module) -> list[tuple[nn.Module, str]]:
    return [(module, "weight") for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def theirs(lenet: Network, apply: Callable[[nn.Module], None]) -> dict[str, Tensor]:
    """Prune a copy with torch.nn.utils.prune; gives its masks."""
    copy = LENET5(1, 28, 10)
    copy.load_state_dict(lenet.model.state_dict())
    apply(copy)
    return {name: module.weight_mask.bool() for name, module in copy.named_modules() if hasattr(module, "weight_mask")}


@pytest.mark.parametrize("keep", [0.5, 0.1, 0.02])
def test_global_magnitude_has_the_masks_of_torch(lenet: Network, weights: SingleWeights, keep: float) -> None:
    ours = cut(weights, lenet, keep, "global")
    total = sum(weights.costs.counts.values())
    amount = total - int(keep * total)

    def apply(model: nn.Module) -> None:
        prune.global_unstructured(prunable(model), pruning_method=prune.L1Unstructured, amount=amount)

    expected = theirs(lenet, apply)
    assert ours.masks.keys() == expected.keys()
    assert all(torch.equal(mask, expected[layer]) for layer, mask in ours.masks.items())


def test_local_magnitude_has_the_masks_of_torch(lenet: Network, weights: SingleWeights) -> None:
    ours = cut(weights, lenet, 0.5, "local")

    def apply(model: nn.Module) -> None:
        for module, name in prunable(model):
            prune.l1_unstructured(module, name, amount=0.5)

    expected = theirs(lenet, apply)
    assert all(torch.equal(mask, expected[layer]) for layer, mask in ours.masks.items())


@pytest.mark.parametrize("keep", [0.3, 0.07])
def test_local_gives_every_layer_its_share_to_within_one_weight(
    lenet: Network, weights: SingleWeights, keep: float
) -> None:
    left = unit_counts(weights.pool(cut(weights, lenet, keep, "local")))
    for layer, dense in weights.costs.counts.items():
        assert abs(left[layer] - keep * dense) <= 1
    assert sum(left.values()) == int(keep * sum(weights.costs.counts.values()))


def test_a_ladder_leads_to_the_counts_of_one_step(lenet: Network, weights: SingleWeights) -> None:
    step = lenet
    for keep in (0.6, 0.33, 0.1):
        step = cut(weights, step, keep, "local")
    assert unit_counts(weights.pool(step)) == unit_counts(weights.pool(cut(weights, lenet, 0.1, "local")))


def test_random_like_has_the_counts_and_other_weights(lenet: Network, weights: SingleWeights) -> None:
    model = cut(weights, lenet, 0.2, "global")
    gone = random_like(unit_counts(weights.pool(model)), weights.pool(lenet), torch.Generator().manual_seed(0))
    shuffled = weights.remove(lenet, gone)
    assert unit_counts(weights.pool(shuffled)) == unit_counts(weights.pool(model))
    assert not torch.equal(shuffled.masks["fc1"], model.masks["fc1"])


def test_costs_by_hand(lenet: Network, weights: SingleWeights) -> None:
    """LeNet-5 (20-50-500) at 28 pixels: 500 + 25,000 + 400,000 + 5,000 weights and 580 biases."""
    assert weights.costs.counts == {"conv1": 500, "conv2": 25_000, "fc1": 400_000, "fc2": 5_000}
    assert weights.costs.dense.params == 431_080
    left = {"conv1": 100, "conv2": 5_000, "fc1": 37_000, "fc2": 950}
    assert weights.costs.shares(left) == {
        "macs": 1.0,
        "units": 1.0,
        "params": (43_050 + 580) / 431_080,
        "weights": 43_050 / 430_500,
    }
    cost = weights.costs.cost(left)
    assert (cost.params, cost.macs, cost.bytes) == (43_630, weights.costs.dense.macs, weights.costs.dense.bytes)


def test_the_last_weight_of_a_layer_stays(lenet: Network, weights: SingleWeights) -> None:
    def first_layer_worst(weight: Tensor) -> Tensor:
        return weight[:, 0].abs() * (len(weight) > 500)

    ours = cut(weights, lenet, 0.01, "global", Criterion(first_layer_worst))
    assert unit_counts(weights.pool(ours))["conv1"] == 1


def test_units_of_a_group_are_not_single_weights(weights: SingleWeights, lenet: Network) -> None:
    with pytest.raises(CellError, match="group 'conv1' has 500 units and needs one score for each"):
        select({"conv1": torch.ones(20)}, weights.pool(lenet), weights.costs, Keep("weights", 0.5), Rule())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ranking": "per-cost"}, "--ranking per-cost: .* which all cost the same; give --ranking global"),
        ({"ranking": "isomorphic"}, "--ranking isomorphic: .* isomorphic groups are of units; give local or global"),
        ({"floor": 0.2}, "--floor: .* is for units; leave --floor out"),
        ({"round_to": 8}, "--round-to: .* is for units"),
        ({"coupled": False}, "--no-coupled: .* is for units"),
        ({"criteria": "l0"}, "'l0': .* for units only: a single weight has no gate"),
        ({"criteria": "shuffle:fisher"}, "'shuffle:fisher': .* for units only"),
        ({"keep": "weights=0.00001"}, r"one weight of every layer stays, 3\.1e-05 of all; give a larger keep"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_computed(
    tiny: Callable[..., Any], tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(UserError, match=text):
        make_grid(tiny(tmp_path, **{"criteria": "magnitude", "keep": "weights=0.5", **changes}))
    assert not (tmp_path / "stages").exists()


def test_a_published_ranking_for_units_is_refused() -> None:
    criterion = Criterion(lambda weight: weight.abs(), name="own", published=Ranking("isomorphic"))
    check_for_weights(Protocol(), [Method("own", score=criterion)])
    with pytest.raises(UserError, match=r"'own': --keep weights .* its published ranking, isomorphic, is for units"):
        check_for_weights(Protocol(ranking="published"), [Method("own", score=criterion)])


@pytest.fixture(scope="module")
def pruned(tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a finished run of single weights."""
    folder = tmp_path_factory.mktemp("weights")
    return computing(tiny(folder, criteria=CRITERIA, keep="weights=0.5,0.1", rung=0.5, ranking="global"))


def trajectory_of(pruned: Any, criterion: str) -> Trajectory:
    return make_trajectory(pruned.spec, Store(pruned.spec.results), Job("digits", "lenet5", criterion, 0))


def saved(pruned: Any, record: Any) -> Network:
    task = trajectory_of(pruned, "magnitude").task
    return load_into(task.shell(), task.table, Store(pruned.spec.results).stage(record.network))


def test_every_point_stands_and_keeps_what_was_asked(pruned: Any) -> None:
    assert {(r.status, r.reason) for r in pruned.records.values()} == {("ok", "")}
    for (criterion, keep), record in pruned.records.items():
        dense, left = (sum(pair[side] for pair in record.weights.values()) for side in (0, 1))
        assert record.keep["weights"] == left / dense
        assert record.pruned.params == record.dense.params - (dense - left)
        assert record.keep["params"] == record.pruned.params / record.dense.params
        assert (record.keep["macs"], record.pruned.macs) == (1.0, record.dense.macs)
        assert left == dense if criterion == "dense_continued" else left == int(keep * dense)
        assert all(before == after for before, after in record.widths.values())


def test_what_is_gone_is_zero_after_training_to_the_bit(pruned: Any) -> None:
    for (criterion, _), record in pruned.records.items():
        network = saved(pruned, record)
        assert bool(network.masks) == (criterion != "dense_continued")
        for layer, numbers in kept_weights(network).items():
            flat = weight_of(network, layer).flatten()
            assert len(numbers) == record.weights[layer][1]
            assert int((flat != 0).sum()) == len(numbers)  # the rest is exactly zero, and nothing else is
        assert int(record.curves[-1].epoch) >= 1


def test_controls_have_the_counts_that_they_copy(pruned: Any) -> None:
    for keep in KEEPS:
        copied = pruned.records["obd", keep]
        masks = saved(pruned, copied).masks
        for name in ("shuffle:obd", "scratch:obd"):
            record = pruned.records[name, keep]
            assert record.weights == copied.weights
            assert not torch.equal(saved(pruned, record).masks["fc1"], masks["fc1"])
    assert pruned.records["scratch:obd", 0.5].loss.cut > 2.2 > pruned.records["obd", 0.5].loss.cut


def test_the_loaded_network_gives_the_recorded_predictions(pruned: Any) -> None:
    record = pruned.records["magnitude", 0.1]
    model = load(Store(pruned.spec.results).stage(record.network))
    result = evaluate(model.to(memory_format=torch.channels_last), trajectory_of(pruned, "magnitude").data.test)
    assert np.array_equal(result.predicted.numpy(), record.per_image.predicted.unpack(record.per_image.pictures))
    assert result.accuracy == record.accuracy.finetuned


def test_the_same_command_again_does_nothing(pruned: Any, computing: Callable[..., Any]) -> None:
    again = computing(pruned.spec)
    assert again.trained == [] and again.records == pruned.records


def test_a_killed_run_goes_on_and_a_repeat_is_the_same_to_the_bit(
    pruned: Any, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    options = {"criteria": ("obd", "scratch:obd"), "keep": "weights=0.1", "rung": 0.5, "ranking": "global"}
    spec = tiny(tmp_path, **options)
    with pytest.raises(KeyboardInterrupt):
        computing(spec, kill_at="rung 2")
    rest = computing(spec)
    assert rest.trained == ["rung 2", "rung 3", "finetune 0.1", "scratch 0.1"]
    for cell, record in rest.records.items():
        assert record.facts() == pruned.records[cell].facts()


def test_dense_and_sparse_networks_are_shared_with_units_and_records_are_not(
    pruned: Any, tiny: Callable[..., Any], computing: Callable[..., Any]
) -> None:
    criteria = ("magnitude", "dense_continued")
    units = computing(tiny(pruned.spec.results, criteria=criteria, keep="params=0.5", rung=0.5, ranking="global"))
    assert units.trained == ["finetune 0.5"]  # of magnitude: dense_continued is the same network
    store = Store(pruned.spec.results)
    paths = {store.record_path(record) for run in (pruned, units) for record in run.records.values()}
    assert len(paths) == len(pruned.records) + len(units.records)
