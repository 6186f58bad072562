from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.reports.output.power import power_document
from prunebench.reports.output.rendering import markdown
from prunebench.reports.results import gather_results


def test_every_primary_contrast_has_a_row(make: SimpleNamespace) -> None:
    text = markdown(
        power_document(gather_results("x", make.grid(("magnitude", "taylor", "random"), range(5))), 0.005, 0.8)
    )
    assert "difference of 0.5 points with a power of 80%" in text
    assert text.count("| mnist x lenet5 ") == 2 and "random" not in text


def test_equal_runs_and_no_spread(make: SimpleNamespace) -> None:
    tied = [make.record(c, s, accuracy=0.9) for c in ("magnitude", "taylor") for s in range(3)]
    assert "nan" not in markdown(power_document(gather_results("x", tied), 0.005, 0.8)).lower()
    with pytest.raises(UserError, match="x: no spread"):
        power_document(gather_results("x", make.grid(("magnitude", "taylor"), (0,))), 0.005, 0.8)


def test_the_command(command: Callable[..., tuple[int, str, str]], run_folder: Path) -> None:
    code, out, _ = command("power", run_folder, "--difference", "1", "--power", "0.9")
    assert code == 0
    assert "difference of 1 points with a power of 90%" in " ".join(out.split()) and "|" not in out
    assert max(len(line) for line in out.splitlines()) <= 120
    _, out, _ = command("power", run_folder, "--difference", "1", "--power", "0.9", "--markdown")
    assert "difference of 1 points with a power of 90%" in out and "| taylor " in out


def test_the_command_refuses_what_is_no_probability(refused: Callable[..., str], run_folder: Path) -> None:
    assert "--difference -1: not between" in refused("power", run_folder, "--difference", "-1")
    assert "--power 1: not between 0 and 1" in refused("power", run_folder, "--power", "1")
    assert "/nowhere: no such file or folder" in refused("power", "/nowhere")
