"""Trials: what they look at, what they leave behind, and what becomes of those that were killed."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.data.splits import Split
from prunebench.study import trajectory
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run
from prunebench.study.store import Store
from prunebench.tuning.choose import first_failure, mean_overlap, mean_validation, total_seconds
from prunebench.tuning.finetune_rate import sweep
from prunebench.tuning.strength import tune
from prunebench.tuning.trials import Trial

Make = Callable[..., Any]
JOB: Any = None


def networks(results: Path) -> list[str]:
    """Keys of the stages whose network is there."""
    return [path.parent.name for path in (results / "stages").glob("*/weights.safetensors")]


def facts(results: Path) -> dict[str, dict[str, Any]]:
    return {path.parent.name: json.loads(path.read_text()) for path in (results / "stages").glob("*/facts.json")}


def counted(monkeypatch: pytest.MonkeyPatch, stop_at: int = 0) -> list[str]:
    """Note what is trained; the training with this number is interrupted."""
    trained: list[str] = []
    original = trajectory.train

    def train(network: Any, data: Any, settings: Any, *others: Any) -> Any:
        trained.append(settings.stage)
        if len(trained) == stop_at:
            raise KeyboardInterrupt
        return original(network, data, settings, *others)

    monkeypatch.setattr(trajectory, "train", train)
    return trained


def test_only_a_dense_network_is_measured_on_test_pictures(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tested: list[Split] = []
    original = trajectory.evaluate
    monkeypatch.setattr(trajectory, "evaluate", lambda model, split: tested.append(split) or original(model, split))
    with caplog.at_level(logging.INFO):
        (found,) = tune(tiny(tmp_path, criteria="l1", keep="0.7"), Progress())
    assert len(tested) == 1
    kept = facts(tmp_path)
    (dense,) = (key for key, one in kept.items() if "final" in one)
    assert networks(tmp_path) == [dense]
    assert all(key.startswith("trial-") and "cut" not in one for key, one in kept.items() if key != dense)
    lines = [record.message for record in caplog.records if record.message.startswith("[")]
    best = found.validation[f"{found.value:g}"]
    assert best is not None
    assert any(f"| macs=0.7 {100 * best:.2f} % of the validation pictures |" in line for line in lines)
    (plain,) = (key for key, one in kept.items() if one["curve"][0]["stage"] == "sparse" and "sparse" not in one)
    seconds = [one["seconds"] for key, one in kept.items() if key not in (dense, plain)]
    assert found.seconds == pytest.approx(sum(seconds))
    assert all(0 <= (overlap or 0.0) <= 1 for overlap in found.overlap.values()) and len(found.overlap) == 5


def test_a_trial_trains_as_a_run_does(tiny: Make, tmp_path: Path, computing: Callable[..., Any]) -> None:
    changes = {"criteria": "obd+l1:strength=0.001", "keep": "0.7,0.5"}
    (found,) = tune(tiny(tmp_path, **changes), Progress())
    done = computing(tiny(tmp_path, **changes | {"criteria": "obd+l1:strength=0.1", "seeds": "1000"}))
    ends = [record.curves[-1].validation for record in done.records.values()]
    assert found.validation["0.1"] == pytest.approx(sum(ends) / 2)
    assert "dense" not in done.trained and "sparse" in done.trained


def test_a_killed_tuning_goes_on_where_it_was_and_leaves_nothing(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny(tmp_path, criteria="l1", keep="0.7")
    with monkeypatch.context() as patch:
        trained = counted(
            patch, stop_at=8
        )  # dense, plain, then sparse, rung and point of two strengths but for the last
        with pytest.raises(KeyboardInterrupt):
            tune(spec, Progress())
    assert trained[-3:] == ["sparse", "rung 1", "finetune 0.7"]
    assert sorted(key[:6] for key in networks(tmp_path))[-4:] == ["trial-"] * 4
    again = counted(monkeypatch)
    (found,) = tune(spec, Progress())
    assert again == ["finetune 0.7", *["sparse", "rung 1", "finetune 0.7"] * 3]
    assert [key for key in networks(tmp_path) if key.startswith("trial-")] == []
    again.clear()
    assert tune(spec, Progress()) == [found] and again == []  # nothing is done twice


def test_what_killed_trials_left_is_forgotten_by_the_next_run_but_not_while_others_are_at_work(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny(tmp_path, criteria="random", keep="0.9", seeds="1000")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        counted(patch, stop_at=5)  # the second strength
        tune(spec.model_copy(update={"criteria": ("l1",), "seeds": "0"}), Progress())
    left, _ = (key for key in networks(tmp_path) if key.startswith("trial-"))
    store = Store(tmp_path)
    with store.trying():
        with Store(tmp_path).trying():  # a second one goes on without the lock
            store.forget_trials()
        run(make_grid(spec), Progress())
        assert store.has(left)
    run(make_grid(spec), Progress())
    assert not store.has(left) and (store.stage(left) / "facts.json").exists()


def test_a_sweep_shares_its_dense_and_sparse_networks_with_a_run(
    tiny: Make, tmp_path: Path, computing: Callable[..., Any]
) -> None:
    spec = tiny(tmp_path, keep="0.9", criteria="random", finetune_rate=0.1)
    (found,) = sweep(spec.model_copy(update={"finetune_rate": 0.3}), Progress())
    assert len(networks(tmp_path)) == 2
    done = computing(spec)
    assert done.trained == ["finetune 0.9"]
    assert done.records["random", 0.9].curves[-1].validation == found.validation["0.1"]


def test_a_failed_trial_has_its_reason_and_no_mean() -> None:
    ok = Trial(JOB, "macs=0.5", validation=0.5, seconds={"sparse": 2.0, "point": 1.0}, overlap=0.9)
    other = Trial(JOB, "macs=0.3", validation=0.3, seconds={"sparse": 2.0, "other": 3.0}, overlap=0.5)
    bad = Trial(JOB, "macs=0.1", reason="too hot")
    assert mean_validation([ok, other]) == pytest.approx(0.4)
    assert mean_validation([ok, bad]) is None and mean_validation([]) is None
    assert mean_overlap([ok, other, bad]) == pytest.approx(0.7)  # of those where it is known
    assert mean_overlap([bad]) is mean_overlap([]) is None
    assert total_seconds([ok, other, bad]) == 6.0  # the common stage once
    assert (bad.status, bad.summary(), ok.summary()) == (
        "failed",
        "macs=0.1 FAILED: too hot",
        "macs=0.5 50.00 % of the validation pictures",
    )
    assert first_failure([ok, bad]) == "too hot"
