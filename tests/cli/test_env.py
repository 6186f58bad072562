"""The facts of a bug report, also where torch is missing or broken."""

import sys
from collections.abc import Callable
from importlib.metadata import version

import pytest

from prunebench.cli.env import bug_report
from prunebench.records.protocol import PROTOCOL_VERSION


def test_it_names_the_versions_and_the_machine(command: Callable[..., tuple[int, str, str]]) -> None:
    _, report, _ = command("env")
    assert f"prunebench: {version('prunebench')}\n" in report
    assert f"torch: {version('torch')}\n" in report
    assert f"version of the protocol's rules: {PROTOCOL_VERSION}\n" in report and "\nCPU kernels: " in report
    assert "CUDA" in report and f"python: {sys.executable}\n" in report


def test_a_missing_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.collect_env", None)
    assert bug_report().splitlines()[-1].startswith("torch: ModuleNotFoundError: ")
