from pathlib import Path

import pytest
import torch

from prunebench.plugins.dataset import Source
from prunebench.plugins.registry import load_registry
from prunebench.pruning.masks import without
from prunebench.records.protocol import Protocol
from prunebench.scoring.score import score
from prunebench.study.structure import SingleWeights, WholeUnits, unit_counts
from prunebench.study.task import Task, make_task

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def task() -> Task:
    return make_task("digits", "lenet5", Protocol(), Source(Path("/nowhere")))


def test_the_metric_says_what_is_removed(task: Task) -> None:
    assert all(isinstance(task.structure(metric), WholeUnits) for metric in ("macs", "params", "units"))
    assert isinstance(task.structure("weights"), SingleWeights)


def test_what_is_left_of_units(task: Task) -> None:
    structure, network = task.structure("macs"), task.fresh(0, CPU)
    gone = {"conv1": torch.arange(10)}
    small = structure.remove(network, gone)
    assert unit_counts(structure.pool(small)) == {"conv1": 10, "conv2": 50, "fc1": 500}
    left = structure.record_fields(small)
    assert set(left) == {"pruned", "keep"}
    assert left["keep"]["units"] == 560 / 570 and left["pruned"].params == 131_080 - 10 * 26 - 10 * 50 * 25


@pytest.fixture(scope="module")
def streams_whole() -> Task:
    protocol = Protocol(coupled=False)
    return make_task("digits", "resnet20", protocol, Source(Path("/nowhere")))


@pytest.mark.parametrize("name", [n for n, e in load_registry(()).criteria.items() if "gate" not in e.plugin.evidence])
def test_groups_that_stay_whole_change_no_score_of_the_others(streams_whole: Task, name: str) -> None:
    structure, network = streams_whole.structure("macs"), streams_whole.fresh(0, CPU)
    draws = torch.Generator().manual_seed(0)
    batches = [(torch.randn(8, 1, 8, 8, generator=draws), torch.arange(8))]
    criterion = load_registry(()).criteria[name].plugin
    ours = structure.score(criterion, network, batches, draws)
    before = draws.get_state()
    full = score(criterion, network, batches, draws)
    assert 0 < len(ours) < len(full)
    if torch.equal(draws.get_state(), before):  # else the scores are of other draws
        for group, values in ours.items():
            assert torch.equal(values, full[group])


def test_what_is_left_of_single_weights(task: Task) -> None:
    structure, network = task.structure("weights"), task.fresh(0, CPU)
    left = structure.record_fields(without(network, {"conv1": torch.arange(10)}))
    assert left["weights"]["conv1"] == (500, 490) and left["weights"]["fc2"] == (5000, 5000)
    assert left["pruned"].params == 131_080 - 10 and left["pruned"].units == 570
