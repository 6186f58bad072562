from pathlib import Path

import pytest
import torch

from prunebench.plugins.dataset import Source
from prunebench.pruning.masks import without
from prunebench.records.protocol import Protocol
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


def test_what_is_left_of_single_weights(task: Task) -> None:
    structure, network = task.structure("weights"), task.fresh(0, CPU)
    left = structure.record_fields(without(network, {"conv1": torch.arange(10)}))
    assert left["weights"]["conv1"] == (500, 490) and left["weights"]["fc2"] == (5000, 5000)
    assert left["pruned"].params == 131_080 - 10 and left["pruned"].units == 570
