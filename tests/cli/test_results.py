"""`prunebench show` and `time`, and the tables after a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import prunebench
from prunebench.reports.reading import read_results

Command = Callable[..., tuple[int, str, str]]


def test_show_prints_the_tables_of_a_folder(command: Command, computed: Any) -> None:
    code, out, _ = command("show", computed.spec.results)
    assert code == 0
    assert "digits x lenet5 | local ranking | keeps of MACs | seeds 0" in out
    assert "to magnitude" in out and "scratch:magnitude" in out
    assert max(map(len, out.splitlines()[:-3])) <= 100 and "\x1b" not in out


def test_show_names_points_in_plain_options(command: Command, refused: Callable[..., str], computed: Any) -> None:
    results = computed.spec.results
    code, out, _ = command("show", results, "--points")
    assert code == 0 and len(out.splitlines()) == len(computed.records)
    assert "--criterion scratch:magnitude --keep 0.5 --seed 0" in out
    options = out.splitlines()[0].split("%")[1].split()
    assert "conv1" in command("show", results, *options)[1]
    assert "conv1" in command("show", results, "--criterion", "l1", "--keep", "macs=0.7")[1]
    assert len(command("show", results, "--criterion", "l1")[1].splitlines()) == 4
    assert "unknown --keep '0.4'" in refused("show", results, "--keep", "0.4")
    twice = refused("show", results, "--criterion", "l1", "--criterion", "random")
    assert "--criterion is given 2 times (l1, random); give it once" in twice
    assert len(command("show", results, "--criterion", "l1", "--seed", "")[1].splitlines()) == 4


def test_time_times_equal_widths_once_without_data(command: Command, computed: Any, monkeypatch: Any) -> None:
    made = []
    from prunebench.timing.timer import Stopwatch

    original = Stopwatch.measure
    monkeypatch.setattr(Stopwatch, "measure", lambda self, *given: made.append(1) or original(self, *given))
    monkeypatch.setattr("prunebench.study.task.load_dataset", None)
    results = computed.spec.results
    code, out, _ = command("time", results, "--timing-batch", "2", "--timing-rounds", "4", "--device", "cpu")
    assert code == 0 and "dense ms" in out
    widths = {tuple(record.widths.items()) for record in computed.records.values()}
    assert len(made) == len(widths) < len(computed.records)
    assert len(read_results(results).latencies) == len(computed.records)


def test_the_version(command: Command) -> None:
    assert command("--version") == (0, f"prunebench {prunebench.__version__}\n", "")


def test_the_help_gives_defaults_by_family(command: Command, monkeypatch: Any) -> None:
    from prunebench.cli import defaults

    monkeypatch.setattr("sys.argv", ["prunebench", "run", "--help"])
    text = defaults.family_defaults("epochs")
    assert "lenet5" in text and "resnet20 ... resnet110" in text and "your own" in text
    monkeypatch.setattr("sys.argv", ["prunebench", "run"])
    assert defaults.family_defaults("epochs") == "by model"


def test_dry_runs_of_sweep_and_tune_compute_nothing(command: Command, tmp_path: Path) -> None:
    options = ("--dry-run", "--results", tmp_path / "r", "--seeds", "0", "--keep", "0.5", "--device", "cpu")
    code, out, _ = command("sweep", *options)
    assert code == 0 and out.count("to do") == 4 and "rate 0.03" in out
    code, out, _ = command("tune", *options, "--criteria", "l1")
    assert code == 0 and out.count("to do") == 5 and "l1:strength=" in out
    assert not (tmp_path / "r").exists()
