"""A whole search on digits: what it reads, what it confirms, and what it hands over."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunebench.choosing import searching, smallest, smallest_plan
from prunebench.choosing.choose import choose
from prunebench.choosing.smallest_plan import describe_search
from prunebench.errors import UserError
from prunebench.exporting.folder import rebuilt
from prunebench.study import trajectory
from prunebench.study.progress import Progress

Make = Callable[..., Any]
SHORT: dict[str, Any] = {"epochs": 2, "sparse_epochs": 1, "rung_epochs": 1, "finetune_epochs": 1, "train_fraction": 0.4}
SHORT |= {"save": "final", "calibration": 32, "timing_rounds": 4, "criteria": "fpgm magnitude"}
KEEPS = (0.9, 0.7, 0.5, 0.3)


@pytest.fixture
def brief(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a spec of a search over four keeps, which is confirmed on five seeds."""
    monkeypatch.setattr(searching, "KEEPS", KEEPS)
    for room in (smallest, smallest_plan):
        monkeypatch.setattr(room, "CONFIRMED_SEEDS", 5)
    monkeypatch.setattr("prunebench.choosing.search.MANY", 1)
    monkeypatch.setattr("prunebench.choosing.search.FEW", 1)
    return lambda results, **changes: tiny(results, **SHORT | changes)


def test_the_smallest_keep_is_confirmed_and_handed_over(brief: Make, tmp_path: Path) -> None:
    spec = brief(tmp_path / "r")
    answer = choose(spec, tmp_path / "out", at_least=0.02)
    search = answer.searched.search
    assert search.keep == 0.3 and answer.criterion == search.criterion
    assert [one.keep for one in answer.tested] == [0.7, 0.5, 0.3] and answer.keep == 0.3
    assert answer.results is not None
    by_keep: dict[float, list[float]] = {}
    for record in answer.results.records:
        if record.cell.criterion == answer.criterion:
            by_keep.setdefault(record.cell.keep, []).append(record.accuracy.finetuned)  # type: ignore[union-attr]
    assert {keep: len(values) for keep, values in by_keep.items()} == dict.fromkeys((0.7, 0.5, 0.3), 5)
    for one in answer.tested:
        x = np.array(by_keep[one.keep])
        low = x.mean() - 2.131847 * x.std(ddof=1) / 5**0.5  # t of four degrees
        assert one.confirmed and one.found is not None and one.found.low == pytest.approx(low, abs=1e-6)
    others = {(r.cell.criterion, r.cell.keep) for r in answer.results.records} - {
        (answer.criterion, k) for k in by_keep
    }
    assert others == {(name, 0.3) for name in ("magnitude", "random") if name != answer.criterion}
    assert not answer.results.missing and {r.cell.seed for r in answer.results.records} == {0, 1, 2, 3, 4}
    network = rebuilt(tmp_path / "out" / "network")
    assert sum(p.numel() for p in network.parameters()) == answer.records[0].pruned.params  # type: ignore[union-attr]
    page = (tmp_path / "out" / "report.md").read_text()
    assert page.index("## The choice") < page.index("## The search") < page.index("## The answer")
    assert "Smaller keeps were not tested." in page and answer.text.splitlines()[0] in page
    kinds = [
        json.loads(path.with_name("facts.json").read_text()) for path in (tmp_path / "r").rglob("weights.safetensors")
    ]
    assert len(kinds) == 5 + 5 + 15 + 5 * len(others)  # dense, sparse, points; no rung and no trial is left
    again = choose(spec, at_least=0.02)
    assert again.tested == answer.tested and again.searched.search == search


def test_no_test_picture_is_read_in_a_search_and_dense_networks_are_trained_once(
    brief: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    original = trajectory.train

    def train(network: Any, data: Any, settings: Any, *others: Any) -> Any:
        trained.append(settings.stage)
        return original(network, data, settings, *others)

    monkeypatch.setattr(trajectory, "train", train)
    found = searching.run_trial_search(brief(tmp_path), ("fpgm", "magnitude"), 0.999, Progress())
    assert found.search.keep is None and [step.keep for step in found.search.steps] == [0.5, 0.7, 0.9]
    assert trained.count("dense") == 1 and trained.count("sparse") == 1
    facts = [json.loads(path.read_text()) for path in (tmp_path / "stages").glob("*/facts.json")]
    assert facts and not any({"final", "cut", "cut_bn", "images"} & one.keys() for one in facts)
    assert not (tmp_path / "records").exists() and not list((tmp_path / "stages").glob("*/weights.safetensors"))
    assert found.trials == 6 and 0.1 < found.dense < 0.999


def test_a_bound_that_nothing_reaches_is_answered_without_a_confirmation(brief: Make, tmp_path: Path) -> None:
    answer = choose(brief(tmp_path / "r"), tmp_path / "out", at_least=0.999)
    assert (answer.criterion, answer.keep, answer.tested, answer.results) == (None, None, (), None)
    assert answer.text.startswith("No keep reaches 99.9 % on validation pictures, so nothing was confirmed.")
    assert "The dense network itself reaches" in answer.text and not (tmp_path / "out").exists()
    assert not (tmp_path / "r" / "records").exists()


def test_the_first_keep_that_is_not_confirmed_ends_the_order(
    brief: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = smallest.above_bound
    tested: list[int] = []

    def judge(values: Any, bound: float, right: Any) -> Any:
        tested.append(len(values))
        return original(values, bound if len(tested) < 2 else 1.0, right)  # the second keep fails

    monkeypatch.setattr(smallest, "above_bound", judge)
    answer = choose(brief(tmp_path / "r"), at_least=0.02)
    assert [(one.keep, one.confirmed) for one in answer.tested] == [(0.7, True), (0.5, False)]
    assert answer.keep == 0.7 and "Smaller keeps were not tested." not in answer.text


def test_networks_that_are_not_trained_are_searched_too(brief: Make, tmp_path: Path) -> None:
    found = choose(brief(tmp_path, finetune_epochs=0, rung_epochs=0, sparse_epochs=0), at_least=0.12)
    assert found.searched.search.steps[0].means and found.searched.reasons == {}


def test_a_dry_run_prints_the_plan_and_computes_nothing(brief: Make, tmp_path: Path) -> None:
    text = describe_search(brief(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert "search, step 1" in text and "0.3 or 0.7" in text and "In the search: `fpgm`, `magnitude`." in text
    assert "At most 46 points in about" in text  # 3 steps of 2, 6 keeps of 5 seeds, 2 references


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criteria": "random"}, "no criterion beside the control `random`"),
        ({"floor": 0.99}, "floor=0.99: no keep below 1"),
    ],
)
def test_what_makes_no_sense_is_refused(brief: Make, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose(brief(tmp_path, **changes), at_least=0.5)


def test_a_keep_beside_a_bound_is_refused_in_the_words_of_python() -> None:
    given = {"models": "lenet5", "datasets": "digits", "keep": "0.5"}
    with pytest.raises(UserError, match=r"^at_least=0\.9: the search finds the keep itself; leave keep out$"):
        choose(given, at_least=0.9)
