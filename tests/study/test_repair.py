"""Repairs in a run: where they are done and recorded, and that they give what the same repair gives by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.pruning.removal import remove
from prunebench.repair.repairing import repair
from prunebench.reports.output.show import layer_table
from prunebench.study.grid import Job, make_trajectory
from prunebench.study.store import Store
from prunebench.training.evaluate import evaluate

CRITERIA = ("magnitude", "random", "shuffle:magnitude", "scratch:magnitude", "dense_continued")
UNTRAINED = {"rung_epochs": 0, "finetune_epochs": 0, "criteria": CRITERIA, "keep": "0.5,0.3"}


@pytest.fixture(scope="module")
def repaired(tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path_factory: Any) -> Any:
    return computing(tiny(tmp_path_factory.mktemp("repaired"), repair="least-squares", **UNTRAINED))


def test_the_repair_is_recorded_where_units_were_cut(repaired: Any) -> None:
    for (criterion, keep), record in repaired.records.items():
        assert (record.status, record.protocol["repair"]) == ("ok", "least-squares")
        done = criterion in ("magnitude", "random", "shuffle:magnitude")
        for numbers in (record.accuracy, record.loss):
            assert (numbers.repaired is not None) == done, (criterion, keep)
            assert not done or numbers.repaired == numbers.finetuned != numbers.cut
        assert not done or record.environment.repairing_seconds > 0
        assert ("repaired" in layer_table(record)) == done
    for keep in (0.5, 0.3):
        loss = repaired.records["magnitude", keep].loss
        assert loss.repaired < loss.cut


def test_every_cut_of_the_ladder_is_repaired_to_the_network_above_it(repaired: Any) -> None:
    for criterion in ("magnitude", "shuffle:magnitude"):
        ready = make_trajectory(repaired.spec, Store(repaired.spec.results), Job("digits", "lenet5", criterion, 0))
        *_, above, point = ready.plan.point(ready.method, 0.3).chain()
        for stage in (above, point):
            assert stage.parent is not None
            before, after = ready.network(stage.parent), ready.network(stage)
            gone = {name: kept[[u not in after.kept[name] for u in kept]] for name, kept in before.kept.items()}
            again = remove(before, gone)
            repair("least-squares", before, again, ready.data.calibration.batches(64))
            found = [evaluate(one.model, ready.data.test).mean_loss for one in (again, after)]
            assert found[0] == pytest.approx(found[1], rel=1e-6)
        assert found[0] == pytest.approx(repaired.records[criterion, 0.3].loss.repaired, rel=1e-6)


def test_a_repair_is_the_same_whether_or_not_training_follows(
    repaired: Any, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    options = UNTRAINED | {"criteria": "magnitude", "keep": "0.5", "finetune_epochs": 1}
    record = computing(tiny(tmp_path, repair="least-squares", **options)).records["magnitude", 0.5]
    assert record.accuracy.repaired == repaired.records["magnitude", 0.5].accuracy.repaired
    assert record.loss.finetuned != record.loss.repaired


def test_a_batchnorm_repair_is_the_re_estimated_cut(
    tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    options = UNTRAINED | {"criteria": "random", "keep": "0.7", "models": "vgg11_bn:width=0.125", "epochs": 1}
    record = computing(tiny(tmp_path, repair="batchnorm", restart=True, **options)).records["random", 0.7]
    assert record.loss.repaired == record.loss.cut_bn != record.loss.cut


def test_batchnorm_of_a_network_without_it_is_refused_before_training(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    error = refused("run", "--models", "lenet5", "--repair", "batchnorm", "--results", tmp_path / "r", "--dry-run")
    assert "--repair batchnorm: 'lenet5' has no BatchNorm that keeps statistics; give another repair, or" in error


def test_single_weights_take_biases_but_no_least_squares(
    tiny: Callable[..., Any], computing: Callable[..., Any], refused: Callable[..., str], tmp_path: Path
) -> None:
    options = UNTRAINED | {"criteria": "magnitude", "keep": "weights=0.2", "repair": "bias", "restart": True}
    loss = computing(tiny(tmp_path, **options)).records["magnitude", 0.2].loss
    assert loss.repaired is not None and loss.repaired != loss.cut
    error = refused("run", "--keep", "weights=0.2", "--repair", "least-squares", "--criteria", "magnitude")
    assert "--repair least-squares: --keep weights prunes single weights" in error
