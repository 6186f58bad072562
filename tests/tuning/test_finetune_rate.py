import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import load_registry
from prunebench.records.tuning import Choice
from prunebench.study.choices import rate_file
from prunebench.study.grid import make_grid, prepare_task
from prunebench.study.progress import Progress
from prunebench.tuning import trials
from prunebench.tuning.finetune_rate import SHARES, sweep, table
from prunebench.tuning.trials import Trial

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Choice]:
    spec = tiny(tmp_path_factory.mktemp("sweep"), keep="0.7")
    (found,) = sweep(spec, Progress())
    return spec, found


def test_the_best_share_on_validation_is_chosen_and_kept(made: tuple[Any, Choice]) -> None:
    spec, found = made
    assert found.validation[f"{found.value:g}"] == max(value for value in found.validation.values() if value)
    assert set(found.validation) == {f"{share:g}" for share in SHARES}
    assert (found.task, found.keeps, found.seeds) == ("digits x lenet5", (0.7,), (0,))
    (path,) = (spec.results / "choices").iterdir()
    assert Choice.model_validate(json.loads(path.read_text())) == found
    assert not (spec.results / "records").exists()
    marked = table([found]).splitlines()[-1].split()
    assert marked[marked.index("*") - 1] == f"{100 * found.validation[f'{found.value:g}']:.2f}"


def test_validation_is_that_of_a_run_at_that_rate_and_its_dense_network_is_shared(
    made: tuple[Any, Choice], tiny: Make, computing: Callable[..., Any]
) -> None:
    spec, found = made
    for share in (1.0, 0.03):
        done = computing(tiny(spec.results, criteria="random", keep="0.7", finetune_rate=share))
        assert not {"dense", "sparse"} & set(done.trained)
        assert done.records["random", 0.7].curves[-1].validation == found.validation[f"{share:g}"]


def test_a_run_uses_the_share_whatever_its_criteria_and_ranking(made: tuple[Any, Choice], tiny: Make) -> None:
    spec, found = made
    other = tiny(spec.results, criteria="taylor", seeds="3", keep="0.4", ranking="per-cost", finetune_rate="swept")
    assert trajectory_rate(other) == found.value
    with pytest.raises(
        UserError,
        match="`prunebench sweep` for digits x lenet5 with this schedule; run `prunebench sweep`",
    ):
        make_grid(tiny(spec.results, finetune_rate="swept", finetune_epochs=2))


def test_single_weights_have_a_rate_of_their_own(made: tuple[Any, Choice], tiny: Make) -> None:
    spec, _ = made
    with pytest.raises(
        UserError,
        match=r"sweep` for digits x lenet5 in .* is for units, but this run prunes single w",
    ):
        make_grid(tiny(spec.results, criteria="taylor", keep="weights=0.4", finetune_rate="swept"))


def test_residual_blocks_have_a_rate_of_their_own(tiny: Make, tmp_path: Path) -> None:
    """Networks without blocks may want another rate than narrower ones: a sweep must not replace the other's choice."""
    specs = [tiny(tmp_path, models="resnet20", keep="macs=0.6", units=units) for units in ("filters", "blocks")]
    paths = {rate_file(prepare_task(spec, "digits", "resnet20")).path(tmp_path, "macs") for spec in specs}
    assert len(paths) == 2


def trajectory_rate(spec: Any) -> Any:
    grid = make_grid(spec)
    assert parse_method("taylor", load_registry(())).name == grid.jobs[0].criterion
    return prepare_task(spec, "digits", "lenet5").protocol.finetune_rate


def test_a_share_that_diverged_is_not_chosen(made: tuple[Any, Choice], monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = made

    def measure(spec: Any, job: Any, progress: Any = None, apart: Any = ()) -> list[Trial]:
        if spec.finetune_rate == 1.0:
            return [Trial(job, "macs=0.7", reason="training diverged")]
        return [Trial(job, "macs=0.7", validation=0.5)]

    monkeypatch.setattr(trials, "run_trial_job", measure)
    (found,) = sweep(spec, Progress())
    assert found.validation == {"1": None, "0.3": 0.5, "0.1": 0.5, "0.03": 0.5}
    assert found.value == 0.03
    assert "failed" in table([found])

    def fail(spec: Any, job: Any, progress: Any = None, apart: Any = ()) -> list[Trial]:
        return [Trial(job, "macs=0.7", reason="too hot")]

    monkeypatch.setattr(trials, "run_trial_job", fail)
    with pytest.raises(UserError, match="digits x lenet5, random: every value has a failed trial: too hot"):
        sweep(spec, Progress())


def test_what_a_run_has_saved_stays(tiny: Make, computing: Callable[..., Any], tmp_path: Path) -> None:
    spec = tiny(tmp_path, criteria="random", keep="0.9", finetune_rate=0.3, save="final")
    record = computing(spec).records["random", 0.9]
    sweep(spec, Progress())
    assert (tmp_path / "stages" / record.network / "weights.safetensors").exists()
    assert sum(1 for _ in (tmp_path / "stages").glob("*/weights.safetensors")) == 3


def test_without_fine_tuning_there_is_nothing_to_choose(tiny: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--finetune-epochs 0"):
        sweep(tiny(tmp_path, finetune_epochs=0), Progress())
