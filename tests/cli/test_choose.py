from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., str]
Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "0-4"], "--seeds: the race and the confirmation have seeds of their own; leave --seeds out"),
        (["--models", "lenet5"], "--models: MODEL stands first"),
        (["--tasks", "digits x lenet5"], "--tasks: give MODEL and DATA"),
        (["--shard", "1/2"], "--shard: a race needs all of its blocks"),
        (["--budget", "2 hours", "--keep", "0.5", "--criteria", "fpgm"], "--budget 2 hours: not a time above zero"),
        (["--lang", "persian", "--criteria", "fpgm"], "unknown language 'persian'; known: en, fa"),
        (["--lang", "persian", "--criteria", "fpgm", "--dry-run"], "unknown language 'persian'; known: en, fa"),
        (["--at-least", "92"], "--at-least 92: not an accuracy to reach; give a share between 0 and 1, as 0.92"),
        (["--at-least", "0.9", "--keep", "0.5"], "--at-least 0.9: the search finds the keep itself; leave --keep out"),
        (["--at-least", "0.9", "--budget", "2h"], "no smaller plan for a budget; leave --budget out"),
        (["--at-least", "0.9", "--criteria", "random"], "--criteria random: no criterion beside the control"),
        (["--at-least", "0.9", "--dry-run", "--lang", "persian"], "unknown language 'persian'"),
        (["--criteria", "tailor"], "unknown criterion 'tailor'"),
    ],
)
def test_what_is_not_taken_is_refused(refused: Refused, tmp_path: Path, options: list[str], message: str) -> None:
    assert message in refused("choose", "lenet5", "digits", "--results", tmp_path, *options)


def test_a_dry_run_prints_the_plan(command: Command, tmp_path: Path) -> None:
    given = ("--keep", "0.5", "--criteria", "fpgm taylor lamp apoz", "--results", tmp_path / "new", "--dry-run")
    code, out, _ = command("choose", "lenet5", "digits", *given)
    assert code == 0 and "confirmation" in out and "At most 62 trajectories" in out
    assert not (tmp_path / "new").exists()


def test_a_search_without_a_confirmed_keep_ends_with_code_1(command: Command, tmp_path: Path) -> None:
    given = ("--at-least", "0.99", "--criteria", "magnitude", "--epochs", "1", "--sparse-epochs", "0", "--restart")
    more = (
        "--finetune-epochs",
        "0",
        "--train-fraction",
        "0.3",
        "--results",
        tmp_path / "r",
        "--output",
        tmp_path / "o",
    )
    code, out, _ = command("choose", "lenet5", "digits", *given, *more)
    assert code == 1 and out.startswith("No keep reaches 99 % on validation pictures") and "Page:" not in out
