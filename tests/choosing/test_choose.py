"""A whole choice on digits: what it reads, what it writes, and how a killed one goes on."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.choosing import budget
from prunebench.choosing.answer import Answer
from prunebench.choosing.choose import choose, describe
from prunebench.choosing.race import run_trial_race
from prunebench.errors import UserError
from prunebench.exporting.folder import rebuilt
from prunebench.study import trajectory
from prunebench.study.progress import Progress

Make = Callable[..., Any]
SHORT: dict[str, Any] = {"epochs": 1, "sparse_epochs": 0, "rung_epochs": 0, "finetune_epochs": 1, "train_fraction": 0.3}
SHORT |= {"save": "final", "calibration": 32, "timing_rounds": 4}
BROKEN = """
from prunebench import Criterion

def broken(weight):
    raise ZeroDivisionError("cannot score")

RECORDS = [Criterion(broken, name=name) for name in ("broken", "b", "c", "d")]
B, C, D, E = RECORDS
"""
FIELD = ("fpgm", "lamp", "taylor", "apoz")


@pytest.fixture
def brief(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a spec of a choice on digits, which is confirmed on three seeds."""
    monkeypatch.setattr(budget, "CONFIRMED_SEEDS", 3)
    monkeypatch.setattr(budget, "IF_WIDE", 3)
    return lambda results, **changes: tiny(results, **SHORT | {"keep": "0.5", "criteria": FIELD} | changes)


def trained(monkeypatch: pytest.MonkeyPatch, stop_at: int = 0) -> list[tuple[str, int]]:
    """Note stage and seed of all that is trained; the training with this number is interrupted."""
    found: list[tuple[str, int]] = []
    original = trajectory.train

    def train(network: Any, data: Any, settings: Any, *others: Any) -> Any:
        found.append((settings.stage, settings.seed))
        if len(found) == stop_at:
            raise KeyboardInterrupt
        return original(network, data, settings, *others)

    monkeypatch.setattr(trajectory, "train", train)
    return found


def test_no_test_picture_is_read_in_the_race(brief: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a test picture is read")

    monkeypatch.setattr(trajectory, "evaluate", never)
    raced = run_trial_race(brief(tmp_path, keep="0.7,0.5", restart=False), FIELD, Progress())
    assert not raced.reasons and len(raced.race.finalists) == 3
    facts = [json.loads(path.read_text()) for path in (tmp_path / "stages").glob("*/facts.json")]
    assert facts and not any({"final", "cut", "cut_bn", "images"} & one.keys() for one in facts)
    assert not (tmp_path / "records").exists() and {job.seed for job in raced.jobs} <= set(range(2000, 2010))
    assert raced.seconds == pytest.approx(sum(one["seconds"] for one in facts))


def test_a_choice_confirms_the_finalists_and_the_references_and_hands_over_the_first_network(
    brief: Make, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    answer = choose(brief(tmp_path / "results"), output)
    confirmed = {record.cell.criterion for record in answer.confirmation.records}
    assert confirmed == {*answer.raced.race.finalists, "magnitude", "random"} and len(confirmed) == 5
    seeds = {record.cell.seed for record in answer.confirmation.records}
    assert seeds == {0, 1, 2}
    assert answer.criterion in confirmed - {"random"} and answer.records[0].cell.seed == 0
    assert answer.trajectories == len(answer.raced.jobs) + 5 * len(seeds)
    assert answer.networks == (output / "network",)
    network = rebuilt(output / "network")
    assert sum(p.numel() for p in network.parameters()) == answer.records[0].pruned.params  # type: ignore[union-attr]
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    page = (output / "report.md").read_text()
    assert page.index("## The choice") < page.index("## The race") < page.index("## The answer")
    for line in answer.text.splitlines()[:3]:
        assert line in page
    assert "Speed-up measured at macs=0.5" in answer.text and "was not shown worse" in answer.text
    assert len(answer.latencies) == 1 and answer.confirmation.results.latencies
    _check_persian(choose(brief(tmp_path / "results"), tmp_path / "fa", lang="fa"), tmp_path / "fa")


def _check_persian(answer: Answer, output: Path) -> None:
    """The page alone is in Persian, with the sections of the choice."""
    assert "was not shown worse" in answer.text and "## The choice" in (output / "report.md").read_text()
    page = (output / "index.html").read_text()
    ours = page[page.index('<section id="the-choice"') : page.index('<section id="the-answer"')]
    assert '<html lang="fa" dir="rtl">' in page and 'lang="en"' not in ours
    assert {"انتخاب", "رقابت"} <= {*re.findall(r"<h2>(.*?)</h2>", ours)} and "راه‌یافته به تأیید" in ours
    facts = page[page.index("<dl>") : page.index("</dl>")]
    assert re.search(r"<dd>.*20\d\d-\d\d-\d\d", facts) and "prunebench report" not in facts
    words = re.sub("<[^>]*>", " ", re.sub(r"<(code|bdi)[^>]*>[^<]*</\1>", " ", ours))
    assert {*re.findall("[a-z]{4,}", words)} <= {*FIELD}


def test_an_unknown_language_is_refused_before_anything_is_computed(brief: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown language 'persian'; known: en, fa"):
        choose(brief(tmp_path / "results"), tmp_path / "out", lang="persian")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_killed_choice_goes_on_where_it_was(brief: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = brief(tmp_path / "killed")
    with monkeypatch.context() as patch:
        whole = trained(patch)
        wanted = choose(brief(tmp_path / "whole"))
    for stop_at in (6, len(whole) // 2):  # in the race; the second time in the confirmation
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            trained(patch, stop_at)
            choose(spec)
    rest = trained(monkeypatch)
    answer = choose(spec)
    assert (answer.criterion, answer.raced.race) == (wanted.criterion, wanted.raced.race)
    assert [one.mean for one in answer.standings] == [one.mean for one in wanted.standings]
    left = len(whole) - len(whole) // 2 + 1 + 5  # the interrupted stage, and what the first five are not
    assert len(rest) <= left - 5 and all(seed < 2000 for _, seed in rest)
    rest.clear()
    assert choose(spec).raced.race == answer.raced.race and rest == []


def test_a_dry_run_prints_the_plan_and_computes_nothing(
    brief: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trained(monkeypatch)
    text = describe(brief(tmp_path))
    assert found == [] and list(tmp_path.iterdir()) == []
    assert "race, round 1" in text and "2000-2002" in text and "At most 27 trajectories in about" in text
    assert "In the race: `fpgm`, `lamp`, `taylor`, `apoz`." in text


def test_a_criterion_that_fails_in_the_race_leaves_with_its_reason(brief: Make, tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN)
    raced = run_trial_race(brief(tmp_path, plugin=str(plugin)), ("fpgm", "broken", "lamp", "taylor"), Progress())
    assert raced.race.rounds[0].failed == ("broken",) and "cannot score" in raced.reasons["broken"]
    assert set(raced.race.finalists) == {"fpgm", "lamp", "taylor"}
    with pytest.raises(UserError, match=r"every criterion failed in the race, the first 'broken': .*cannot score"):
        run_trial_race(brief(tmp_path, plugin=str(plugin)), ("broken", "b", "c", "d"), Progress())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"save": "none"}, "save='none': choose hands over a network"),
        ({"shard": "1/2"}, "shard='1/2': a race needs all of its blocks"),
        ({"models": "lenet5 resnet20"}, "choose works on one task, not on 2"),
        ({"criteria": "scratch:taylor fpgm"}, "criteria='scratch:taylor': a control"),
        ({"criteria": "random magnitude"}, "no criterion beside the references"),
    ],
)
def test_what_makes_no_sense_is_refused(brief: Make, tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose(brief(tmp_path, **changes))
