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
