"""The script for a machine with a GPU needs few packages: it runs here with those alone, on the CPU."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
PACKAGES = ("torch", "torchvision", "numpy", "pydantic", "safetensors", "torch-pruning", "filelock")  # as in gpu.sh
RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import gpu
gpu.RESNET |= {"models": "lenet5", "datasets": "patterns:side=12,pictures=200"}
found = gpu.latencies(Path(sys.argv[2]), "cpu")
print(sorted(name for name in ("pandas", "pytest", "scipy", "sklearn") if name in sys.modules), *found, sep="\\n")
"""


def installed(name: str) -> set[Path]:
    """List the files and folders that a distribution installs."""
    one = distribution(name)
    return {Path(str(one.locate_file(path.parts[0]))) for path in one.files or () if ".." not in path.parts}


def with_dependencies(*names: str) -> dict[str, set[Path]]:
    """List what distributions, and all that they need on this system, install."""
    found: dict[str, set[Path]] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = installed(name)
            needs = map(Requirement, distribution(name).requires or ())
            todo += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_the_gpu_script_needs_the_named_packages_alone(tmp_path: Path) -> None:
    if not any(path.name == "prunebench" for path in installed("prunebench")):
        pytest.skip("needs PruneBench from its wheel")
    only = tmp_path / "only"
    only.mkdir()
    for path in installed("prunebench").union(*with_dependencies(*PACKAGES).values()):
        (only / path.name).symlink_to(path)
    asked = [sys.executable, "-S", "-P", "-c", RUN, str(SCRIPT.parent), str(tmp_path / "results")]
    done = subprocess.run(asked, env={"PYTHONPATH": str(only)}, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "batch 1", "batch 64"], done.stderr[-2000:]


def test_the_script_names_the_packages() -> None:
    text = SCRIPT.with_suffix(".sh").read_text()
    assert [name for name in PACKAGES if name not in text] == []
