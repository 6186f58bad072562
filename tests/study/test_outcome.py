"""Pushed and cut units: a real training, recounted from the stored files."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prunebench.errors import CellError
from prunebench.pruning.network import Network
from prunebench.records.sparse import PushedUnits
from prunebench.records.stage import StageFacts
from prunebench.study.grid import Job, make_trajectory
from prunebench.study.outcome import pushed_units, weight_count
from prunebench.study.store import Store
from prunebench.testing import toys

REAL = {"train_fraction": 1.0, "epochs": 5, "sparse_epochs": 5}
UNITS = {"conv1": 20, "conv2": 50, "fc1": 500}
CRITERIA = ("growing_reg", "admm")
TWICE = {"epochs": 2, "sparse_epochs": 2, "finetune_epochs": 2}


def pushed_and_cut(spec: Any, criterion: str, record: Any) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
    """Read the original numbers of pushed and of cut units, by group, from the files of the stages."""
    trajectory = make_trajectory(spec, Store(spec.results), Job("digits", "lenet5", criterion, 0))
    sparse = spec.results / "stages" / trajectory.plan.sparse(trajectory.method.of or trajectory.method).key
    masks = load_file(sparse / "pushed.safetensors")
    kept = json.loads((spec.results / "stages" / record.network / "widths.json").read_text())["kept"]
    return (
        {group: set(mask.nonzero().flatten().tolist()) for group, mask in masks.items()},
        {group: set(range(units)) - set(kept[group]) for group, units in UNITS.items()},
    )


def recount(pushed: dict[str, set[int]], cut: dict[str, set[int]]) -> PushedUnits:
    both = sum(len(pushed[group] & cut[group]) for group in UNITS)
    return PushedUnits(units=570, pushed=sum(map(len, pushed.values())), cut=sum(map(len, cut.values())), both=both)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_at_the_matching_keep_the_cut_units_are_the_pushed_ones(
    criterion: str, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    spec = tiny(tmp_path, criteria=criterion, keep="units=0.8,0.5,0.25", restart=True, **REAL)
    found = computing(spec)
    for (_, keep), record in found.records.items():
        pushed, cut = pushed_and_cut(spec, criterion, record)
        assert {group: len(units) for group, units in pushed.items()} == {"conv1": 10, "conv2": 25, "fc1": 250}
        assert record.pushed == recount(pushed, cut)
        if keep == 0.5:
            assert pushed == cut
        assert all(cut[group] <= pushed[group] if keep > 0.5 else cut[group] >= pushed[group] for group in UNITS)
    assert found.records[criterion, 0.5].pushed == PushedUnits(units=570, pushed=285, cut=285, both=285)
    assert found.records[criterion, 0.8].pushed == PushedUnits(units=570, pushed=285, cut=114, both=114)
    rates = [epoch.rate for epoch in found.records[criterion, 0.5].curves if epoch.stage == "sparse"]
    assert rates == [pytest.approx(0.3 * 0.05)] * 5
    last = [epoch.rate for epoch in found.records[criterion, 0.5].curves if epoch.stage == "finetune 0.5"][-1]
    assert last < 0.3 * 0.05 / 10  # the rate of fine-tuning falls as ever
    again = computing(tiny(tmp_path, criteria=criterion, keep="units=0.3", restart=True, **REAL))
    assert Counter(again.trained) == {"finetune 0.3": 1}  # the sparse network comes from its files
    record = again.records[criterion, 0.3]
    assert record.pushed == recount(*pushed_and_cut(spec, criterion, record))


def test_pushed_units_are_followed_down_the_ladder_and_shuffled(
    tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    criteria = ("growing_reg:strength=1e-4", "shuffle:growing_reg:strength=1e-4", "scratch:magnitude", "l1")
    spec = tiny(tmp_path, criteria=criteria, keep="units=0.6,0.4")  # hardly pushed: few are both
    for (criterion, _), record in computing(spec).records.items():
        if "growing_reg" in criterion:
            assert record.pushed == recount(*pushed_and_cut(spec, criterion, record))
            assert record.pushed.both < min(record.pushed.pushed, record.pushed.cut)
        else:
            assert record.pushed is None


@pytest.mark.parametrize(("criterion", "constant"), [("growing_reg", ("sparse",)), ("magnitude+growing_reg", ())])
def test_only_sparse_training_keeps_the_rate_constant(
    criterion: str, constant: tuple[str, ...], tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    spec = tiny(tmp_path, criteria=criterion, keep="units=0.5", restart=True, **TWICE)
    record = computing(spec).records[criterion, 0.5]
    rates = {one.stage: [epoch.rate for epoch in record.curves if epoch.stage == one.stage] for one in record.curves}
    assert {"dense", "sparse", "finetune 0.5"} <= rates.keys()
    longer = {stage: found for stage, found in rates.items() if len(found) > 1}
    assert "finetune 0.5" in longer and "sparse" in longer
    assert {stage for stage, found in longer.items() if len(set(found)) == 1} == set(constant)


def test_a_stage_that_lost_its_file_of_pushed_units_is_said() -> None:
    network = toys.chain()
    facts = StageFacts(seconds=1, memory=1, pushed=9)
    with pytest.raises(CellError, match="pushed units of the stages do not fit: both: 9, but from 0 to 0 is possible"):
        pushed_units([facts], network)
    network.pushed = {"0": torch.arange(6) < 3, "2": torch.arange(4) < 2, "6": torch.arange(8) < 4}
    assert pushed_units([facts], network) == PushedUnits(units=18, pushed=9, cut=0, both=0)
    assert pushed_units([StageFacts(seconds=1, memory=1)], network) is None
    masked = Network(network.model, network.table, network.kept, {}, {"0": torch.ones(1)}, network.pushed)
    assert pushed_units([facts], masked) is None  # single weights were pruned


def test_weights_near_zero_are_counted_without_biases() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3), torch.nn.Linear(3, 2))
    for parameter in model.parameters():
        torch.nn.init.ones_(parameter)
    with torch.no_grad():
        model[0].weight[0] = torch.tensor([[[0.0, -9.9e-5], [1.1e-4, 1.0]]]).expand(2, 2, 2)
        model[2].weight[0, 0], model[2].bias[0] = 9e-5, 0.0
    counted = weight_count(model).model_dump()
    assert [*counted.pop("layers").values()] == [(24, 4), (6, 1)]
    assert counted == {"weights": 24 + 6, "near_zero": 4 + 1}


def test_a_record_counts_weights_of_both_networks_and_keeps_the_dense_labels(computed: Any) -> None:
    for record in computed.records.values():
        dense, pruned = record.weight_counts
        widths = record.widths
        of_layers = [widths["conv1"][1] * 25, widths["conv1"][1] * widths["conv2"][1] * 25]
        assert [*pruned.layers] == [*dense.layers] == [*widths]
        assert [pruned.layers[name][0] for name in ("conv1", "conv2")] == of_layers
        assert dense.weights > pruned.weights > sum(of_layers) or record.keep["macs"] == 1
        right = record.dense_per_image.predicted.unpack(record.dense_per_image.pictures)
        agree = (right == record.per_image.predicted.unpack(record.per_image.pictures)).mean()
        assert agree > 0.1 and record.dense_per_image.loss is None
