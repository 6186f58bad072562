"""`pytest benchmarks/` as a user starts it, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from prunebench.cli.options import options
from prunebench.records.record import Record, parse_record
from prunebench.reports.reading import read_results
from tests.conftest import load_script

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PLUGIN = """
from prunebench.plugins.criterion import Criterion
def broken(weight):
    raise ValueError("no such luck")
BROKEN = Criterion(broken)
"""
TINY = [
    *("--seeds", "0", "--keep", "macs=0.9,0.6", "--device", "cpu", "--train-fraction", "0.2", "--calibration", "64"),
    *("--epochs", "1", "--sparse-epochs", "0", "--rung-epochs", "0", "--finetune-epochs", "1"),
    *("--timing-rounds", "4", "--timing-batch", "2"),
]


def pytest_benchmarks(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(BENCHMARKS / "test_inference.py"),
        "-p",
        "no:cacheprovider",
        *map(str, arguments),
    ]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(command, capture_output=True, text=True, cwd=BENCHMARKS.parent, timeout=300, env=alone)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(scope="module")
def done(folder: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "mine.py").write_text(PLUGIN)
    places = ["--results", folder / "r", "--benchmark-json", folder / "out.json", "--plugin", folder / "mine.py"]
    return pytest_benchmarks("--criteria", "broken magnitude", *places, *TINY)


@pytest.fixture(scope="module")
def data(done: "subprocess.CompletedProcess[str]", folder: Path) -> dict[str, Any]:
    assert (folder / "out.json").exists(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def record(entry: dict[str, Any]) -> Record:
    return parse_record(entry["extra_info"]["prunebench"]["record"], "test")


def test_a_failing_cell_fails_its_own_tests_with_the_reason(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 1
    assert "2 failed, 3 passed" in done.stdout
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failures) == 2
    assert all("test_inference[digits-lenet5-broken-macs=0." in line for line in failures)
    reason = "criterion 'broken' on layer 'conv1' failed: ValueError: no such luck (mine.py:4)"
    assert done.stdout.splitlines().count(reason) == 2
    assert "Traceback" not in done.stdout + done.stderr


def test_ids_and_groups_say_what_was_timed(data: dict[str, Any]) -> None:
    assert [entry["name"] for entry in data["benchmarks"]] == [
        "test_inference[digits-lenet5-dense]",
        "test_inference[digits-lenet5-magnitude-macs=0.9-seed0]",
        "test_inference[digits-lenet5-magnitude-macs=0.6-seed0]",
    ]
    assert {entry["group"] for entry in data["benchmarks"]} == {"digits x lenet5"}
    assert {entry["stats"]["rounds"] for entry in data["benchmarks"]} == {4}


def test_every_point_carries_its_record_and_its_paired_latency(data: dict[str, Any], folder: Path) -> None:
    dense, *points = data["benchmarks"]
    assert dense["extra_info"]["prunebench"]["dense"]["units"] == 20 + 50 + 500
    assert [record(entry).cell.keep for entry in points] == [0.9, 0.6]
    for entry in points:
        found = record(entry)
        assert found.status == "ok"
        assert entry["extra_info"]["prunebench"]["latency"]["key"] == found.key
        assert len(entry["extra_info"]["prunebench"]["latency"]["ratios"]) == 4
    stored = list((folder / "r" / "timing").glob("*-eager.json"))
    assert len(stored) == 1


def test_failed_cells_are_in_the_file(data: dict[str, Any]) -> None:
    failed = data["prunebench"]["untimed"]
    assert [(f["cell"]["criterion"], f["cell"]["keep"], f["status"]) for f in failed] == [
        ("broken", 0.9, "failed"),
        ("broken", 0.6, "failed"),
    ]
    assert all("no such luck" in f["reason"] for f in failed)


def test_a_report_can_be_made_of_the_file_alone(data: dict[str, Any], folder: Path) -> None:
    assert data["prunebench"]["schema_version"] == 3
    assert read_results(folder / "out.json")


def test_progress_is_shown_as_plain_lines(done: "subprocess.CompletedProcess[str]") -> None:
    lines = (done.stdout + done.stderr).splitlines()
    assert any(line.startswith("[1/2] digits x lenet5 | broken | seed 0 | macs=0.9 FAILED") for line in lines)
    assert any(line.startswith("[2/2] digits x lenet5 | magnitude | seed 0 | macs=0.9 ") for line in lines)


def test_unknown_names_are_usage_errors(folder: Path) -> None:
    done = pytest_benchmarks("--criteria", "tailor", "--results", folder / "nothing")
    assert done.returncode == 4
    assert "unknown criterion 'tailor'; did you mean 'taylor'" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def conftest() -> ModuleType:
    return load_script("benchmarks/conftest.py")


class Config(SimpleNamespace):
    def getoption(self, name: str) -> Any:
        return getattr(self.option, name, None)


def test_options_of_a_file_and_the_command_line_reach_the_grid(conftest: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('criteria = ["random"]\nepochs = 7\nseeds = "3"')
    given = {"prunebench_config": str(tmp_path / "c.toml"), "epochs": ["5"], "results": [str(tmp_path / "r")]}
    config = Config(option=SimpleNamespace(**given), stash=pytest.Stash())
    conftest.pytest_configure(config)
    bench = config.stash[conftest.BENCH]
    assert (bench.spec.criteria, bench.spec.epochs, bench.spec.seeds) == (("random",), 5, "3")


@pytest.mark.parametrize("named", ["obd hsqgl12+obd scratch:l1", ""])
def test_what_was_asked_for_is_priced_else_everything(named: str, conftest: ModuleType, tmp_path: Path) -> None:
    given = {"criteria": [named] if named else None, "results": [str(tmp_path / "r")]}
    config = Config(option=SimpleNamespace(**given), stash=pytest.Stash())
    conftest.pytest_configure(config)
    priced: dict[str, list[str]] = {}

    def add(name: str, cases: list[Any]) -> None:
        priced[name] = [str(getattr(case, "id", case)) for case in cases]

    scoring = load_script("benchmarks/test_scoring.py")
    for name in ("priced", "grown"):
        conftest.pytest_generate_tests(
            SimpleNamespace(config=config, module=scoring, fixturenames=[name], parametrize=add)
        )
    if named:
        assert priced["grown"] == ["obd", "hsqgl12+obd"]  # a control has no score
        assert priced["priced"][:3] == ["obd-lenet5", "hsqgl12+obd-lenet5", "obd-vgg16_bn"]
    else:
        assert {"taylor-lenet5", "lasso-resnet18", "obd:curvature=hessian-lenet5"} <= set(priced["priced"])
        assert {"taylor", "obd:curvature=exact"} <= set(priced["grown"])


@pytest.mark.parametrize("option", [{"numprocesses": 2}, {}])
def test_xdist_is_refused(conftest: ModuleType, option: dict[str, int]) -> None:
    worker = {} if option else {"workerinput": {}}
    with pytest.raises(pytest.UsageError, match="pytest-xdist would time several networks at once; use --workers"):
        conftest.pytest_configure(Config(option=SimpleNamespace(**option), **worker))


def test_every_option_of_a_run_is_an_option_of_pytest(conftest: ModuleType) -> None:
    added: dict[str, str] = {}
    group = SimpleNamespace(addoption=lambda flag, dest, **_: added.update({flag: dest}))
    conftest.pytest_addoption(SimpleNamespace(getgroup=lambda *_: group))
    flags = {option.off: option.name for option in options() if option.kind == "flag"}
    assert added == {option.flag: option.name for option in options()} | flags | {"--config": "prunebench_config"}


def test_single_weights_are_trained_and_not_timed(folder: Path) -> None:
    places = ["--results", folder / "w", "--benchmark-json", folder / "weights.json", "-rs"]
    done = pytest_benchmarks("--criteria", "magnitude", *places, *TINY[:2], *TINY[4:], "--keep", "weights=0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout and "no speed-up on dense kernels" in done.stdout
    results = read_results(folder / "weights.json")
    assert [(record.cell.metric, record.status) for record in results.records] == [("weights", "ok")]
    assert not results.latencies and not (folder / "w" / "timing").exists()
