"""What the code runs on: names, commit and memory."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from prunebench.study import environment


@pytest.fixture(autouse=True)
def fresh() -> None:
    environment.commit.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    return subprocess.run(
        ["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a repository whose `harness` is the running code."""
    if not shutil.which("git"):
        pytest.skip("no git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    package = Path(environment.__file__).parents[1]
    shutil.copytree(package, tmp_path / "harness", ignore=shutil.ignore_patterns("*.pyc", *environment._MAPPED))
    for folder in environment._MAPPED:
        shutil.copytree(package / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc"))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "all")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "harness" / "study" / "environment.py"))
    monkeypatch.chdir(tmp_path.parent)
    return tmp_path


def install(checkout: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the checkout's code as a wheel lays it out, and let it be the running code."""
    shutil.copytree(checkout / "harness", package)
    for folder in environment._MAPPED:
        shutil.copytree(checkout / folder, package / folder)
    monkeypatch.setattr(environment, "__file__", str(package / "study" / "environment.py"))
    return package


def test_importing_does_not_import_torch() -> None:
    code = "import sys, prunebench.study.environment as e; e.versions(); e.cpu_name(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_versions_are_the_installed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("prunebench", "torch-pruning", "no-such-package"))
    expected = {name: version(name) for name in ("prunebench", "torch-pruning")}
    assert environment.versions() == expected


def test_processor_is_read_from_the_first_model_name(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2: GHz\nmodel name\t: Other\n")
    assert environment._cpuinfo(cpuinfo) == "Some CPU @ 2: GHz"
    cpuinfo.write_text("processor\t: 0\nBogoMIPS\t: 50\n")
    assert environment._cpuinfo(cpuinfo) == environment._cpuinfo(tmp_path / "absent") == ""


def test_device_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    assert environment.device_name("cuda:1") == "GPU of cuda:1"
    assert environment.device_name("cpu") == environment.cpu_name() != ""


def test_peak_memory_of_the_process_is_in_bytes() -> None:
    kept = torch.ones(64 * 2**20, dtype=torch.uint8)
    assert kept.numel() < environment.peak_memory("cpu") < 2**42


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forget a peak")
def test_a_peak_can_be_forgotten() -> None:
    kept = torch.ones(256 * 2**20, dtype=torch.uint8)
    high = environment.peak_memory("cpu")
    del kept
    environment.restart_peak("cpu")
    assert environment.peak_memory("cpu") < high - 200 * 2**20


def test_peak_memory_on_cuda_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", {"cuda:0": 12}.__getitem__)
    assert environment.peak_memory("cuda:0") == 12


def test_commit_of_the_codes_own_checkout(checkout: Path) -> None:
    assert environment.commit() == git(checkout, "rev-parse", "HEAD").strip()


def test_commit_says_that_the_checkout_was_changed(checkout: Path) -> None:
    (checkout / "harness" / "pruning" / "cost.py").write_text("changed = True\n")
    assert environment.commit() == git(checkout, "rev-parse", "HEAD").strip() + "-dirty"


def test_commit_of_a_wheel_run_from_its_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(checkout, checkout.parent / f"{checkout.name}-installed", monkeypatch)
    monkeypatch.chdir(checkout)
    assert environment.commit() == git(checkout, "rev-parse", "HEAD").strip()
    for changed in ("pruning/cost.py", "criteria/taylor.py"):
        before = (installed / changed).read_text()
        (installed / changed).write_text("another = version\n")
        environment.commit.cache_clear()
        assert environment.commit() is None
        (installed / changed).write_text(before)


def test_no_commit_inside_somebody_elses_repository(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(checkout, checkout / "site-packages", monkeypatch)
    assert environment.commit() is None


def test_no_commit_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment.commit() is None
