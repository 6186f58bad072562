"""Packages, hardware and commit, for records and for `prunebench env`. Imports torch on demand."""

import filecmp
import json
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from prunebench.processes import cores

PACKAGES = (
    "prunebench",
    "torch",
    "torchvision",
    "torch-pruning",
    "pytest-benchmark",
    "numpy",
    "scipy",
    "pandas",
)
_MAPPED = ("criteria", "datasets", "models", "reports")  # packages whose folders lie beside `harness/`


def versions() -> dict[str, str]:
    """Versions of the installed packages that can change a result, by distribution name.

    >>> versions()["numpy"] == __import__("numpy").__version__
    True
    """
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def cpu_name() -> str:
    """Model name of the processor; its architecture where the system gives no name."""
    if sys.platform == "darwin":
        name = _output("sysctl", "-n", "machdep.cpu.brand_string") or ""
    else:
        name = _cpuinfo(Path("/proc/cpuinfo")) or platform.processor()
    return name or platform.machine()


def _cpuinfo(path: Path) -> str:
    """First model name in `/proc/cpuinfo`; empty where there is none (as on most ARM machines)."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def device_name(device: str) -> str:
    """Name of the hardware behind `cpu`, `cuda`, `cuda:1` or `mps`."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return cpu_name()


def restart_peak(device: str) -> None:
    """Reset the peak of memory use, on a CUDA device or on Linux; elsewhere do nothing."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with suppress(OSError):  # forbidden in some containers: the peak then counts from the process's start
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: str) -> int:
    """Peak of memory use in bytes since `restart_peak`, or since the process began.

    Counts PyTorch's memory on a CUDA device, elsewhere this process's memory. 0 on Windows.
    """
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory before the fork, too
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@cache
def commit() -> str | None:
    """Git commit of the checkout whose files equal the running code; ends in `-dirty` where files have changes.

    Looks around the code (an editable install), then in the working directory (where tox runs the wheel). None where
    no checkout equals the code, or git is missing.
    """
    package = Path(__file__).resolve().parents[1]
    mark = Path(__file__).relative_to(Path(__file__).parents[1])
    editable = [package.parent] if package.name == "harness" else []
    for checkout in (*editable, Path.cwd()):
        tracked = _output("git", "-C", str(checkout), "ls-files", str("harness" / mark))
        if tracked and _same_code(package, checkout):
            return _output("git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    return None


def _same_code(package: Path, checkout: Path) -> bool:
    """Tell whether every module of the running package equals its source file in a checkout."""
    for file in package.rglob("*.py"):
        place = file.relative_to(package)
        source = checkout / place if place.parts[0] in _MAPPED else checkout / "harness" / place
        if not source.is_file() or not filecmp.cmp(file, source, shallow=False):
            return False
    return True


def _output(*command: str) -> str | None:
    """First line of a command's output; None where the command fails, hangs or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("\n")[0]


def describe() -> dict[str, Any]:
    """Facts for a bug report, as JSON values. `torch`: None where not installed, the error where the import fails."""
    return {
        "prunebench": version("prunebench"),
        "installed": _installed(),
        "commit": commit(),
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})",
        "system": platform.platform(),
        "cpu": cpu_name(),
        "cores": cores(),
        "memory": _memory(),
        "versions": versions(),
        "torch": _torch(),
    }


def _installed() -> str:
    """Describe how and where the package was installed."""
    place = Path(__file__).parents[1]
    source = json.loads(distribution("prunebench").read_text("direct_url.json") or "{}")
    if source.get("dir_info", {}).get("editable"):
        return f"editable, {place}"
    return f"from {source.get('url', 'a package index')}, {place}"


def _memory() -> int | None:
    """Memory of the machine in bytes; None on Windows."""
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _torch() -> dict[str, Any] | str | None:
    try:
        torch = import_module("torch")
    except Exception as error:  # a broken installation is what the bug report is about
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            return None
        return f"{type(error).__name__}: {error}"
    return {
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "devices": [_cuda_device(torch, number) for number in range(torch.cuda.device_count())],
        "mps": torch.backends.mps.is_available(),
    }


def _cuda_device(torch: Any, number: int) -> str:
    gpu = torch.cuda.get_device_properties(number)
    return f"{gpu.name} (capability {gpu.major}.{gpu.minor}, {gpu.total_memory / 2**30:.0f} GiB)"


def text(facts: dict[str, Any], indent: str = "") -> str:
    """Format the facts of `describe`, one fact a line.

    >>> print(text({"python": "3.11.7", "memory": 2**34, "commit": None, "torch": {"devices": []}}))
    python: 3.11.7
    memory: 16.0 GiB
    commit: none
    torch:
      devices: none
    """
    lines = []
    for key, value in facts.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:\n{text(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{key}: {_value_text(key, value)}")
    return "\n".join(lines)


def _value_text(key: str, value: Any) -> str:
    if key == "memory" and value:
        return f"{value / 2**30:.1f} GiB"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)
