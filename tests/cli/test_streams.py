"""Commands whose output nobody reads: the results are written, and the exit code is that of the command."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "run --criteria magnitude --seeds 0 --keep 0.9 --epochs 1 --sparse-epochs 0 --rung-epochs 0 --finetune-epochs 0"
TINY = "--train-fraction 0.1 --calibration 64 --device cpu --datasets digits --models lenet5"


def shell(command: str, after: str, tmp_path: Path) -> tuple[int, str]:
    """Run a command with a redirection. Returns its own exit code and what came through."""
    called = shlex.join([sys.executable, "-P", "-m", "prunebench", *shlex.split(command)])
    line = f"{called} {after}; echo code ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "Traceback" not in done.stderr + done.stdout and "BrokenPipe" not in done.stderr + done.stdout
    out, _, code = done.stdout.rpartition("code ")
    return int(code), out + done.stderr


@pytest.mark.parametrize("after", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>&1 | head -n 1", "| true"])
def test_a_run_is_finished_whoever_reads(after: str, tmp_path: Path) -> None:
    code, _ = shell(f"{RUN} {TINY}", after, tmp_path)
    (record,) = (tmp_path / "results").rglob("records/**/*.json")
    assert (code, json.loads(record.read_text())["status"]) == (0, "ok")


def test_errors_keep_their_code(tmp_path: Path) -> None:
    assert shell("run --models nope", "2>&-", tmp_path) == (2, "")
    assert shell("run --models nope", "2>&1 | true", tmp_path) == (2, "")


def test_a_list_that_is_cut_off_is_no_failure(tmp_path: Path) -> None:
    code, out = shell("list criteria", "| head -n 1", tmp_path)
    assert code == 0 and out.count("\n") == 1
