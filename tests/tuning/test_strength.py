"""Tuning of strengths: what is tried, what is chosen, who uses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.plugins.expressions import parse_method, with_strength
from prunebench.plugins.registry import load_registry
from prunebench.records.tuning import Choice
from prunebench.study.grid import make_grid, make_trajectory
from prunebench.study.progress import Progress
from prunebench.study.store import Store
from prunebench.tuning import trials
from prunebench.tuning.strength import FACTORS, preview, table, tune
from prunebench.tuning.trials import Trial

Make = Callable[..., Any]
TRIED = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def faked(
    monkeypatch: pytest.MonkeyPatch,
    accuracy: Callable[[str], float | None],
    idle: Callable[[str], bool] = lambda _: False,
) -> list[Any]:
    """Let no trial train: its validation accuracy is that of its criterion, None if it diverges. idle: did nothing."""
    jobs = []

    def run_trial_job(spec: Any, job: Any, progress: Any = None, apart: Any = ()) -> list[Trial]:
        jobs.append(job)
        found = accuracy(job.criterion)
        took = {f"{job} {keep}": 2.0 if job.criterion.startswith("l1") else 3.0 for keep in spec.keep.keeps}
        return [
            Trial(
                job,
                str(keep),
                found,
                {f"{job} {keep}": took[f"{job} {keep}"]},
                idle(job.criterion),
                reason="" if found is not None else "training diverged",
            )
            for keep in spec.keep.keeps
        ]

    monkeypatch.setattr(trials, "run_trial_job", run_trial_job)
    return jobs


def strength_of(criterion: str) -> float:
    return float(criterion.partition("strength=")[2].partition("+")[0].partition(",")[0])


@pytest.fixture(scope="module")
def made(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Choice]:
    spec = tiny(tmp_path_factory.mktemp("tune"), criteria="random l1:strength=0.001", keep="0.9")
    (found,) = tune(spec, Progress())
    return spec, found


def test_five_strengths_are_tried_with_seeds_of_their_own(made: tuple[Any, Choice]) -> None:
    spec, found = made
    assert [float(text) for text in found.validation] == list(TRIED)
    assert found.validation[f"{found.value:g}"] == max(value for value in found.validation.values() if value)
    assert (found.task, found.criterion) == ("digits x lenet5", "l1:strength=tuned")
    assert (found.keeps, found.seeds, found.trials) == ((0.9,), (1000,), 5)
    assert found.seconds > 0
    (path,) = (spec.results / "choices").iterdir()
    assert Choice.model_validate(json.loads(path.read_text())) == found
    assert not (spec.results / "records").exists()
    kept = [p.parent for p in (spec.results / "stages").glob("*/weights.safetensors")]
    assert len(kept) == 1  # the dense network


def test_a_run_uses_it_and_says_so(made: tuple[Any, Choice], tiny: Make, computing: Callable[..., Any]) -> None:
    spec, found = made
    criteria = ["l1:strength=tuned", f"l1:strength={found.value:g}"]
    done = computing(tiny(spec.results, criteria=criteria, keep="0.9"))
    tuned, typed = (done.records[name, 0.9] for name in criteria)
    assert (tuned.status, tuned.strength, typed.strength) == ("ok", found.value, None)
    assert tuned.network == typed.network  # one and the same stage: the number is in its key
    assert tuned.key != typed.key


def test_the_strength_is_in_the_keys_of_those_that_use_it(
    made: tuple[Any, Choice], tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = {}
    names = "l1:strength=tuned scratch:l1:strength=tuned obd+l1:strength=tuned l1:strength=tuned+obd"
    for best in (1e-4, 1e-2):
        faked(monkeypatch, lambda criterion, best=best: float(strength_of(criterion) == best))  # type: ignore[misc]
        spec = tiny(tmp_path, criteria=f"{names} magnitude", keep="0.9")
        assert {one.value for one in tune(spec, Progress())} == {best}
        grid = make_grid(spec)
        trajectories = [make_trajectory(spec, Store(tmp_path), job) for job in grid.jobs]
        keys[best] = [t.plan.point(t.method, 0.9).key for t in trajectories]
        assert [(p.method.of or p.method).strength for p in trajectories] == [best] * 4 + [None]
    assert [one == other for one, other in zip(*keys.values(), strict=True)] == [False] * 4 + [True]


def test_of_equals_the_one_nearest_to_the_middle_and_a_diverging_one_leaves_the_others(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jobs = faked(monkeypatch, lambda criterion: None if strength_of(criterion) > 0.01 else 0.5)
    criteria = "l1:strength=0.001 obd+l1:strength=0.1 shuffle:l1:strength=0.001"
    spec = tiny(tmp_path, criteria=criteria, seeds="0-1", keep="0.9,0.8")
    one, other = tune(spec, Progress())
    assert one.validation == {"1e-05": 0.5, "0.0001": 0.5, "0.001": 0.5, "0.01": 0.5, "0.1": None}
    assert (one.value, one.trials, one.seeds) == (1e-3, 20, (1000, 1001))
    assert other.criterion == "obd+l1:strength=tuned"
    assert list(other.validation) == ["0.001", "0.01", "0.1", "1", "10"]  # around the strength given
    assert (other.value, other.validation["1"]) == (0.01, None)
    assert len(jobs) == 2 * 2 * len(FACTORS)
    lines = table([one, other]).splitlines()
    assert "0.001 50.00 *" in lines[2] and "0.1 failed" in lines[2]
    assert lines[4:] == ["*: the best"]  # what ties is not at an end
    assert (one.seconds, other.seconds) == (20 * 2.0, 20 * 3.0)  # of the one criterion, not of both


def test_a_strength_that_did_nothing_is_marked(tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    faked(monkeypatch, lambda criterion: 1 - strength_of(criterion), idle=lambda name: strength_of(name) < 5e-4)
    (one,) = tune(tiny(tmp_path, criteria="l1:strength=0.001", seeds="0", keep="0.9"), Progress())
    assert one.ineffective == (1e-5, 1e-4)
    lines = table([one]).splitlines()
    assert "1e-05 100.00 *~" in lines[2] and "0.0001 99.99 ~" in lines[2] and lines[2].count("~") == 2
    assert lines[4].startswith("~: in at least one trial, the choice of units hardly changed")


def test_to_go_on_from_an_end_adds_to_what_was_tried(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faked(monkeypatch, lambda criterion: {1e-5: 0.8, 1e-6: 0.7}.get(strength_of(criterion), 0.5))
    tune(tiny(tmp_path, criteria="l1:strength=0.001", seeds="0", keep="0.9"), Progress())
    (one,) = tune(tiny(tmp_path, criteria="l1:strength=1e-05", seeds="0", keep="0.9"), Progress())
    assert [float(text) for text in one.validation] == [1e-7, 1e-6, *TRIED]
    assert (one.value, one.at_an_end, one.trials) == (1e-5, False, 7)
    row = table([one]).splitlines()[2]
    assert row.split()[:7] == ["digits", "x", "lenet5", "l1:strength=tuned", "7", "14", "1e-07"]
    assert "1e-06 70.00" in row and "1e-05 80.00 *" in row
    (path,) = (tmp_path / "choices").iterdir()
    assert Choice.model_validate(json.loads(path.read_text())) == one


STUBBORN = """
from dataclasses import dataclass, replace
from prunebench import AttachedTerm, Criterion, UserError
@dataclass(frozen=True)
class Stubborn:
    strength: float
    def __post_init__(self):
        if self.strength <= 0:
            raise UserError("a strength of 0 is refused")
    def attach(self, network, generator):
        weight = next(network.model.parameters())
        return AttachedTerm(lambda: self.strength * weight.square().sum())
def stubborn(weight):
    return weight.norm(dim=1)
CRITERION = Criterion(stubborn, regulariser=Stubborn(0.1))
"""


def test_a_regulariser_that_refuses_a_strength_of_zero(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(STUBBORN)
    faked(monkeypatch, lambda criterion: strength_of(criterion) / 10)
    spec = tiny(tmp_path / "r", criteria="stubborn", plugin=[str(tmp_path / "mine.py")], keep="0.9")
    (one,) = tune(spec, Progress())
    assert one.value == 10
    tuned = spec.model_copy(update={"criteria": ("stubborn:strength=tuned",)})
    (job,) = make_grid(tuned).jobs
    assert make_trajectory(tuned, Store(spec.results), job).method.strength == 10


def test_what_can_fail_fails_before_the_trials(tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jobs = faked(monkeypatch, lambda _: 0.5)
    spec = tiny(tmp_path, criteria="l1", keep="0.9")
    tune(spec, Progress())
    (path,) = (tmp_path / "choices").iterdir()
    path.write_text("{}")
    jobs.clear()
    with pytest.raises(UserError, match=r"choices/strength-.*: task: Field required"):
        tune(spec, Progress())
    assert not jobs


def test_a_tuning_for_units_is_none_for_single_weights(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faked(monkeypatch, lambda _: 0.5)
    tune(tiny(tmp_path, criteria="l1", keep="0.9"), Progress())
    says = "'l1:strength=tuned': .* for digits x lenet5 in .* is for units, but this run prunes single weights"
    with pytest.raises(UserError, match=says):
        make_grid(tiny(tmp_path, criteria="l1:strength=tuned", keep="weights=0.9"))
    tune(tiny(tmp_path / "w", criteria="l1", keep="weights=0.9"), Progress())
    with pytest.raises(UserError, match="is for single weights, but this run prunes units; run"):
        make_grid(tiny(tmp_path / "w", criteria="l1:strength=tuned", keep="params=0.9"))


def test_a_best_strength_at_an_end_is_said_with_how_to_go_on(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faked(monkeypatch, lambda criterion: 0.5 - strength_of(criterion))
    (one,) = tune(tiny(tmp_path, criteria="l1:strength=0.001", seeds="0", keep="0.9"), Progress())
    assert one.value == 1e-5
    end = "an end of its range; to extend the range, tune again with --criteria l1:strength=1e-05"
    assert table([one]).splitlines()[-1] == f"digits x lenet5: the best strength is at {end}"


@pytest.mark.parametrize("option", ["finetune_epochs", "sparse_epochs"])
def test_without_training_there_is_nothing_to_tune(tiny: Make, tmp_path: Path, option: str) -> None:
    with pytest.raises(UserError, match=f"--{option.replace('_', '-')} 0: without"):
        tune(tiny(tmp_path, criteria="l1", **{option: 0}), Progress())


def test_the_table_says_nothing_of_ends_where_the_best_lies_within() -> None:
    facts = {"task": "t", "criterion": "l1:strength=tuned", "metric": "macs", "keeps": (0.5,), "seeds": (1000,)}
    means = dict(zip(map("{:g}".format, TRIED), (0.5, 0.6, 0.7, 0.6, None), strict=True))
    one = Choice(**facts, value=1e-3, validation=means, trials=5, seconds=1.0)
    assert len(table([one]).splitlines()) == 4


def test_what_cannot_be_tuned_or_used_is_one_line(
    made: tuple[Any, Choice], tiny: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec, _ = made
    with pytest.raises(UserError, match=r"none of these criteria has a regulariser to tune; give some of: .*l0, l1"):
        tune(tiny(tmp_path, criteria="random obd"), Progress())
    with pytest.raises(UserError, match="no range lies around a strength of 0; give a positive strength"):
        tune(tiny(tmp_path, criteria="l1:strength=0"), Progress())
    with pytest.raises(UserError, match="'l1:strength=tuned' would be tuned around 1 and around 2; give one"):
        tune(tiny(tmp_path, criteria="l1:strength=1 l1:strength=2"), Progress())
    with pytest.raises(UserError, match=r"'l1:strength=tuned': .* `prunebench tune` for digits x lenet5 with this sch"):
        make_grid(tiny(spec.results, criteria="l1:strength=tuned", finetune_epochs=2))
    with pytest.raises(UserError, match="the tuning on digits x lenet5 used seed 1000; give other --seeds"):
        make_grid(tiny(spec.results, criteria="l1:strength=tuned", seeds="0,1000"))
    with pytest.raises(UserError, match="'magnitude' has no regulariser whose strength could be tuned"):
        make_grid(tiny(spec.results, criteria="magnitude:strength=tuned"))
    faked(monkeypatch, lambda _: None)
    with pytest.raises(
        UserError, match=r"digits x lenet5, l1:strength=tuned: every value has a failed .*training diverged"
    ):
        tune(tiny(tmp_path, criteria="l1"), Progress())


def test_names_with_a_tuned_strength() -> None:
    known = load_registry(())
    method = parse_method("hsqgl12:strength=tuned,mix=1+obd", known)
    assert (method.name, method.tuned, method.strength) == ("hsqgl12:mix=1,strength=tuned+obd", True, None)
    assert not parse_method("l1:strength=0.1", known).tuned
    assert with_strength("reg_obd", known, "tuned") == "hsqgl12:strength=tuned+obd"
    assert with_strength("obd:curvature=exact+l1:strength=2", known, "0.5") == "obd:curvature=exact+l1:strength=0.5"


def test_seeds_of_the_race_are_no_seeds_of_a_tuning(tiny: Make, tmp_path: Path) -> None:
    assert "seed 1999" in str(preview(tiny(tmp_path, criteria="l1", keep="0.5", seeds="999")))
    with pytest.raises(UserError, match=r"--seeds 0,1000: a tuning adds 1000, .* belong to the race"):
        preview(tiny(tmp_path, criteria="l1", keep="0.5", seeds="0,1000"))
