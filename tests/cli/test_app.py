import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prunebench.cli import app as cli
from prunebench.cli.options import options
from prunebench.plugins.registry import load_registry

TINY = [
    *("--seeds", "0", "--keep", "0.9", "--device", "cpu", "--train-fraction", "0.2", "--calibration", "64"),
    *("--epochs", "1", "--sparse-epochs", "0", "--rung-epochs", "0", "--finetune-epochs", "1"),
]
Main = Callable[..., tuple[int, str, str]]


def tiny(*arguments: str) -> list[str]:
    """Give some options, and the tiny ones for those that are not among them."""
    pairs = zip(TINY[::2], TINY[1::2], strict=True)
    return [*(part for pair in pairs if pair[0] not in arguments for part in pair), *arguments]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Main:
    """Run the command line in this process; gives exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prunebench", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        found = capsys.readouterr()
        return code, found.out, found.err

    return run


WRONG = {
    "criterion": (["--criteria", "tailor"], "unknown criterion 'tailor'; did you mean 'taylor'"),
    "dataset": (["--datasets", "digitz"], "unknown dataset 'digitz'; did you mean 'digits'"),
    "model": (["--models", "lenet"], "unknown model 'lenet'; did you mean 'lenet5'"),
    "preset": (["--preset", "quik"], "unknown preset 'quik'; did you mean 'quick'"),
    "keep of 0": (["--keep", "0"], "outside (0, 1]"),
    "keep above 1": (["--keep", "macs=0.5,1.1"], "1.1 is outside (0, 1]"),
    "empty range": (["--seeds", "4-2"], "the range 4-2 is empty"),
    "twice": (["--seeds", "0", "--seeds", "5"], "--seeds is given 2 times (0, 5); give it once"),
    "empty seeds": (["--seeds", ""], "--seeds is empty"),
    "no criteria": (["--criteria", ""], "--criteria is empty"),
    "missing data": (["--datasets", "mnist", "--data-root", "/nowhere"], "MNIST is not in /nowhere"),
    "device": (["--device", "cuda:99"], "--device cuda:99: this machine has"),
    "device name": (["--device", "tpu"], "--device tpu: unknown device"),
    "number": (["--epochs", "many"], "--epochs many: "),
    "batch": (["--batch", "9999"], "fewer than a batch of 9999"),
    "folder": (["--datasets", "folder:/nowhere"], "/nowhere does not exist"),
    "plugin": (["--plugin", "/nowhere/x.py"], "--plugin /nowhere/x.py: no such file"),
    "config": (["--config", "/nowhere.toml"], "/nowhere.toml: cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_and_exit_code_2(main: Main, tmp_path: Path, case: str) -> None:
    arguments, text = WRONG[case]
    code, out, err = main("run", "--results", tmp_path / "r", *tiny(*arguments))
    assert (code, out) == (2, "")
    assert err.startswith("prunebench: error: ")
    assert text in err
    assert err.count("\n") == 1


def test_results_that_cannot_be_written_or_are_of_another_schema(main: Main, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "store.json").write_text('{"schema_version": 0}')
    for folder, text in ((tmp_path / "file" / "r", "cannot be written"), (tmp_path / "old", "results of schema 0")):
        code, _, err = main("run", "--results", folder, "--criteria", "magnitude", *TINY)
        assert code == 2
        assert text in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "corrupt record"),
        ("{}", "record schema None"),
        ('{"schema_version": 1}', "corrupt record: key: Field required"),
        ('{"schema_version": 9}', "record schema 9, this version reads schema 1"),
    ],
)
def test_show_of_a_corrupt_record(main: Main, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.json").write_text(text)
    code, out, err = main("show", tmp_path / "r.json")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"benchmarks": []}', '{"benchmarks": [{"extra_info": {}}]}'])
def test_report_on_what_is_not_ours(main: Main, tmp_path: Path, text: str) -> None:
    (tmp_path / "out.json").write_text(text)
    code, out, err = main("report", tmp_path / "out.json", "-o", tmp_path / "report")
    assert (code, out) == (2, "")
    assert err.startswith(f"prunebench: error: {tmp_path / 'out.json'}: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "report").exists()


def test_show_prints_the_layers(main: Main, computed: Any) -> None:
    path = next((computed.spec.results / "records").rglob("*/magnitude/*macs0.5*.json"))
    code, out, _ = main("show", path)
    assert code == 0
    assert "conv1" in out and "digits x lenet5" in out


def test_a_failed_cell_is_exit_code_1_and_the_others_stand(main: Main, tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from prunebench.plugins.criterion import Criterion\n"
        "def broken(weight):\n    raise ValueError('no')\n"
        "BROKEN = Criterion(broken)\n"
    )
    arguments = ("run", "--results", tmp_path / "r", "--plugin", plugin, *TINY)
    code, out, _ = main(*arguments, "--criteria", "broken magnitude")
    assert (code, out) == (1, f"1 points in {tmp_path / 'r'}, 1 failed\n")
    code, out, _ = main(*arguments, "--criteria", "magnitude")
    assert (code, out) == (0, f"1 points in {tmp_path / 'r'}\n")
    plugin.write_text(plugin.read_text().replace("raise ValueError('no')", "return weight.sum(1)"))
    load_registry.cache_clear()
    code, out, _ = main(*arguments, "--criteria", "broken magnitude")
    assert (code, out) == (0, f"2 points in {tmp_path / 'r'}\n")


def test_dry_run_computes_nothing(main: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunebench.study.trajectory.train", lambda *_: pytest.fail("trained"))
    code, out, _ = main("run", "--dry-run", "--results", tmp_path / "r", "--criteria", "magnitude", *TINY)
    assert code == 0
    assert "to do" in out
    assert not (tmp_path / "r").exists()


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "prunebench", "list", "presets"], capture_output=True, text=True)
    assert done.returncode == 0 and "quick" in done.stdout


def test_the_help_shows_every_option(main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = main("run", "--help")
    assert code == 0
    for option in options():
        assert option.flag in out


@pytest.mark.parametrize("kind", ["criteria", "datasets", "models", "presets"])
def test_list(main: Main, kind: str) -> None:
    code, out, _ = main("list", kind)
    assert code == 0
    assert {"criteria": "taylor", "datasets": "digits", "models": "lenet5", "presets": "quick"}[kind] in out


def test_list_of_what_there_is_not(main: Main) -> None:
    code, _, err = main("list", "criterions")
    assert code == 2
    assert "did you mean 'criteria'" in err


def test_env(main: Main) -> None:
    code, out, _ = main("env")
    assert code == 0
    assert "torch" in out


def test_the_installed_command_has_no_traceback_and_goes_on_after_ctrl_c(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("prunebench"))]
    done = subprocess.run([*command, "run", "--models", "nope"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "unknown model 'nope'" in done.stderr
    arguments = ["run", "--results", str(tmp_path / "r"), "--criteria", "magnitude", "--seeds", "0-99"]
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs inherit 'ignore'
    process = subprocess.Popen(
        [*command, *arguments], stderr=subprocess.PIPE, text=True, cwd=tmp_path, preexec_fn=listen
    )
    until = time.monotonic() + 60
    while not (tmp_path / "r" / "run.json").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("prunebench: interrupted; finished points are kept")
    assert json.loads((tmp_path / "r" / "store.json").read_text()) == {"schema_version": 1}
