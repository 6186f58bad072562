"""Reports are made where there is no torch: what they need is what docs/reference/reports.md says, and nothing else."""

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs/reference/reports.md"
BROUGHT = {"numpy", "rich"}  # by pandas and typer
BLOCKED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "torch-pruning": "torch_pruning",
    "safetensors": "safetensors",
    "filelock": "filelock",
    "scikit-learn": "sklearn",
    "pytest": "pytest",
    "pytest-benchmark": "pytest_benchmark",
}
CODE = f"""
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {set(BLOCKED.values())}:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)

sys.meta_path.insert(0, Missing())
from prunebench.cli.main import main
main()
"""


def prunebench(*arguments: object) -> tuple[int, str, str]:
    """Run the command line without the blocked packages; gives exit code, stdout and stderr."""
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_report_and_show_need_no_torch(make: SimpleNamespace, tmp_path: Path) -> None:
    records = make.grid(("magnitude", "random"), (0, 1), (0.5,))
    folder = make.folder(tmp_path / "results", records, map(make.latency, records))
    code, out, err = prunebench("report", folder, "-o", tmp_path / "report")
    assert (code, err) == (0, "")
    files = [path for path in (tmp_path / "report").rglob("*") if path.is_file()]
    assert {"report.md", "index.html", "tables.tex", "accuracy.png"} <= {path.name for path in files}
    assert out.splitlines() == [
        f"{len(files)} files in {tmp_path / 'report'}",
        f"Page: {tmp_path / 'report/index.html'}",
    ]
    code, out, err = prunebench("show", next(folder.rglob("magnitude/*.json")))
    assert (code, err) == (0, "")
    assert "conv1" in out


def test_merging_needs_no_torch(make: SimpleNamespace, tmp_path: Path) -> None:
    folders = [make.folder(tmp_path / name, [make.record(name)]) for name in ("magnitude", "random")]
    for folder in folders:
        (folder / "store.json").write_text('{"schema_version": 3}')
    code, out, err = prunebench("merge", *folders, "-o", tmp_path / "merged")
    assert (code, err) == (0, "")
    assert re.search(r"merged now +0 +2 ", out)


@pytest.mark.parametrize("command", ["run", "sweep", "list", "list presets", "check --all", "models --all"])
def test_other_commands_say_what_is_missing(command: str) -> None:
    text = "prunebench: error: this command needs torch, which is not installed; pip install prunebench\n"
    assert prunebench(*command.split()) == (2, "", text)


def test_env_says_that_there_is_no_torch() -> None:
    code, out, err = prunebench("env")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("torch: ModuleNotFoundError: ")


def test_the_document_names_what_is_needed() -> None:
    (named,) = re.findall(r"^pip install ([a-z].*)$", DOCUMENT.read_text(), re.MULTILINE)
    needed = {re.split(r"[^\w-]", text)[0] for text in requires("prunebench") or () if "extra ==" not in text}
    assert set(named.split()) == needed - set(BLOCKED) - BROUGHT
