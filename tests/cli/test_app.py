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

from prunebench.cli.options import options
from prunebench.plugins.registry import load_registry

TINY = [
    *("--seeds", "0", "--keep", "0.9", "--device", "cpu", "--train-fraction", "0.2", "--calibration", "64"),
    *("--epochs", "1", "--sparse-epochs", "0", "--rung-epochs", "0", "--finetune-epochs", "1"),
]
Command = Callable[..., tuple[int, str, str]]


def tiny(*arguments: str) -> list[str]:
    """Give some options, and the tiny ones for those that are not among them."""
    pairs = zip(TINY[::2], TINY[1::2], strict=True)
    return [*(part for pair in pairs if pair[0] not in arguments for part in pair), *arguments]


WRONG = {
    "empty range": (["--seeds", "4-2"], "the range 4-2 is empty"),
    "twice": (["--seeds", "0", "--seeds", "5"], "--seeds is given 2 times (0, 5); give it once"),
    "empty seeds": (["--seeds", ""], "--seeds is empty"),
    "no criteria": (["--criteria", ""], "--criteria is empty"),
    "device": (["--device", "cuda:99"], "--device cuda:99: this machine has"),
    "batch": (["--batch", "9999"], "fewer than a batch of 9999"),
    "folder": (["--datasets", "folder:/nowhere"], "/nowhere does not exist"),
    "config": (["--config", "/nowhere.toml"], "/nowhere.toml: cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_and_exit_code_2(command: Command, tmp_path: Path, case: str) -> None:
    arguments, text = WRONG[case]
    code, out, err = command("run", "--results", tmp_path / "r", *tiny(*arguments))
    assert (code, out) == (2, "")
    assert err.startswith("prunebench: error: ")
    assert text in err
    assert err.count("\n") == 1


def test_show_prints_the_layers(command: Command, computed: Any) -> None:
    path = next((computed.spec.results / "records").rglob("*/magnitude/*macs0.5*.json"))
    code, out, _ = command("show", path)
    assert code == 0
    assert "conv1" in out and "digits x lenet5" in out


def test_a_failed_cell_is_exit_code_1_and_the_others_stand(command: Command, tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from prunebench.plugins.criterion import Criterion\n"
        "def broken(weight):\n    raise ValueError('no')\n"
        "BROKEN = Criterion(broken)\n"
    )
    arguments = ("run", "--results", tmp_path / "r", "--plugin", plugin, *TINY)
    code, out, _ = command(*arguments, "--criteria", "broken magnitude")
    assert (code, out.splitlines()[-1]) == (1, f"1 point in {tmp_path / 'r'}, 1 failed")
    assert "1 point failed" in out
    code, out, _ = command(*arguments, "--criteria", "magnitude")
    assert (code, out.splitlines()[-1]) == (0, f"1 point in {tmp_path / 'r'}")
    assert f"points of all runs in this folder: prunebench show {tmp_path / 'r'} --points" in out
    assert "one point: " not in out
    plugin.write_text(plugin.read_text().replace("raise ValueError('no')", "return weight.sum(1)"))
    load_registry.cache_clear()
    code, out, _ = command(*arguments, "--criteria", "broken magnitude")
    assert (code, out.splitlines()[-1]) == (0, f"2 points in {tmp_path / 'r'}")


def test_dry_run_computes_nothing(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunebench.study.trajectory.train", lambda *_: pytest.fail("trained"))
    code, out, _ = command("run", "--dry-run", "--results", tmp_path / "r", "--criteria", "magnitude", *TINY)
    assert code == 0
    assert "to do" in out
    assert not (tmp_path / "r").exists()


def test_texts_that_are_no_paths_are_one_line(refused: Callable[..., str], tmp_path: Path) -> None:
    long = "magnitude taylor " * 20
    for arguments in (
        ("run", "--criteria", long + "nope", "--results", tmp_path / "r"),
        ("run", "--plugin", long, "--results", tmp_path / "r"),
        ("run", "--weights", long, "--results", tmp_path / "r"),
        ("run", "--results", long),
        ("run", "--config", long),
        ("check", f"{long}/x.py"),
        ("report", long),
        ("show", long),
        ("merge", long, "-o", tmp_path / "m"),
        ("merge", tmp_path, "-o", long),
        ("new", "criterion", "mine", "-o", long),
        ("report", "\udcff"),
    ):
        assert "rror" not in refused(*arguments).removeprefix("prunebench: error: ")


def test_a_loop_of_links_is_no_place(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "no such file or folder" in refused("report", tmp_path / "loop", "-o", tmp_path / "report")
    assert "no such file or folder" in refused("report", tmp_path / "none", "-o", tmp_path / "loop")


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be deleted")
def test_a_current_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from prunebench.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=here, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "prunebench: error: the current folder no longer exists; change to another one\n"


def test_a_report_is_not_written_into_results(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "r" / "records").mkdir(parents=True)
    (tmp_path / "r" / "store.json").write_text('{"schema_version": 3}')
    for folder in (tmp_path / "r", tmp_path / "r" / ".." / "r", tmp_path / "r" / "records"):
        assert "this is where the results are" in refused("report", tmp_path / "r", "-o", folder)


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "prunebench", "list", "presets"], capture_output=True, text=True)
    assert done.returncode == 0 and "quick" in done.stdout


def test_a_mistyped_command_is_told(refused: Callable[..., str]) -> None:
    text = refused("rum")
    assert "No such command 'rum'. Did you mean 'run'? See " in text and text.rstrip().endswith(" --help")
    assert "; see " in refused("run", "--critera", "taylor")


def test_the_help_shows_every_option(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = command("run", "--help")
    assert code == 0
    for option in options():
        assert option.flag in out


@pytest.mark.parametrize("kind", ["criteria", "datasets", "models", "presets"])
def test_list(command: Command, kind: str) -> None:
    code, out, _ = command("list", kind)
    assert code == 0
    assert {"criteria": "taylor", "datasets": "digits", "models": "lenet5", "presets": "quick"}[kind] in out


@pytest.mark.parametrize(
    ("more", "early"),
    [
        (["--workers", "2"], True),
        (["--cell-timeout", "60"], True),
        (["--engine", "processes"], True),
        ([], False),
        (["--workers", "2", "--dry-run"], False),
    ],
)
def test_the_server_of_workers_starts_beside_the_imports_where_there_is_work(
    more: list[str], early: bool, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[bool] = []
    monkeypatch.setattr("prunebench.cli.app.start_server", lambda: started.append(True))
    asked = ["run", "--results", str(tmp_path / "r"), "--models", "nope", "--criteria", "l1", "--keep", "0.5", *more]
    (tmp_path / "r" / "records").mkdir(parents=True)
    for seed in range(3):
        assert command(*asked, "--seeds", "0-2")[0] == 2 and bool(started) == early
        assert command(*asked, "--seeds", "0-5", "--shard", "2/2")[0] == 2
        (tmp_path / "r" / "records" / f"{seed}.json").touch()
    started.clear()
    assert command(*asked, "--seeds", "0-2")[0] == 2 and not started
    assert command(*asked, "--seeds", "0-5", "--shard", "2/2")[0] == 2 and not started


def test_the_installed_command_has_no_traceback_and_goes_on_after_ctrl_c(tmp_path: Path) -> None:
    installed = [str(Path(sys.executable).with_name("prunebench"))]
    done = subprocess.run([*installed, "run", "--models", "nope"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "unknown model 'nope'" in done.stderr
    arguments = ["run", "--results", str(tmp_path / "r"), "--criteria", "magnitude", "--seeds", "0-99"]
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs inherit 'ignore'
    process = subprocess.Popen(
        [*installed, *arguments], stderr=subprocess.PIPE, text=True, cwd=tmp_path, preexec_fn=listen
    )
    until = time.monotonic() + 120
    while not (tmp_path / "r" / "run.json").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("prunebench: interrupted; finished points are kept")
    assert json.loads((tmp_path / "r" / "store.json").read_text()) == {"schema_version": 3}


def test_a_second_interrupt_shows_no_traceback_of_the_exit() -> None:
    late = "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT) or None)"
    code = (
        f"import atexit, os, signal\nfrom prunebench.cli import main\n{late}\nmain.app = lambda **_: 130\nmain.main()"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr and done.stderr.startswith("prunebench: interrupted")


def test_an_interrupt_while_the_command_is_imported_shows_no_traceback() -> None:
    code = """if True:
        import sys
        from prunebench.__main__ import start
        class Stop:
            def find_spec(self, name, *_):
                if name == "prunebench.cli.main":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Stop())
        start()"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "prunebench: interrupted before anything was computed\n")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_neither_torch_nor_tables(option: str) -> None:
    lines = f"import sys; sys.argv = ['prunebench', '{option}']; from prunebench.cli.main import main"
    ends = "print(sorted({'torch', 'pandas', 'scipy', 'altair', 'vl_convert'} & set(sys.modules)), file=sys.stderr)"
    code = f"{lines}\ntry:\n    main()\nfinally:\n    {ends}"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_a_dry_run_imports_no_tables_and_figures(tmp_path: Path) -> None:
    options = ["run", "--dry-run", "--criteria", "magnitude", "--keep", "0.5", "--results", str(tmp_path / "r")]
    lines = f"import sys; sys.argv = ['prunebench', *{options}]; from prunebench.cli.main import main"
    ends = "print(sorted({'altair', 'vl_convert', 'prunebench.reports.output.overview'} & set(sys.modules)))"
    code = f"{lines}\ntry:\n    main()\nfinally:\n    {ends}"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]"
    assert "timing training steps of digits x lenet5 for the estimate" in done.stderr
