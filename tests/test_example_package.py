"""The package in `examples/`, as if installed: found through its entry point, run, its own tests pass."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "prunebench-spread"
QUICK = [
    *("--seeds", "0", "--keep", "0.9", "--device", "cpu", "--train-fraction", "0.2", "--calibration", "64"),
    *("--epochs", "1", "--sparse-epochs", "0", "--rung-epochs", "0", "--finetune-epochs", "1"),
]


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """Give an environment in which Python finds the package: what pip writes about it, and its source."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    about = tmp_path / "site" / f"prunebench_spread-{project['version']}.dist-info"
    about.mkdir(parents=True)
    named = f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n"
    (about / "METADATA").write_text(named)
    points = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in found.items())
        for group, found in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(points) + "\n")
    paths = [str(about.parent), str(FOLDER / "src"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONDONTWRITEBYTECODE": "1"}


def python(installed: dict[str, str], folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], env=installed, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_tests_pass(installed: dict[str, str], tmp_path: Path) -> None:
    out = python(installed, FOLDER, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert " passed" in out and "skipped" not in out


@pytest.mark.slow  # `.ci/run` does the same with the installed package
def test_it_is_listed_and_run_like_any_other(installed: dict[str, str], tmp_path: Path) -> None:
    prunebench = ("-c", "from prunebench.cli.main import main; main()")
    rows = python(installed, tmp_path, *prunebench, "list", "criteria").splitlines()
    row = next(row for row in rows if row.startswith("spread "))
    assert "power=1.0" in row and row.endswith("entry point prunebench-spread 0.1.0 (prunebench_spread.spread)")
    out = python(installed, tmp_path, *prunebench, "run", "--criteria", "spread random", "--results", "r", *QUICK)
    assert "\n2 points in " in out


def test_it_is_the_criterion_of_the_readme() -> None:
    source = (FOLDER / "src/prunebench_spread/spread.py").read_text()
    assert source == (FOLDER.parent / "spread.py").read_text()
