"""What the code runs on: for the records, and for `prunebench env` (a bug report). Torch is imported on demand."""

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
    """Installed versions of the packages that can change a result, by distribution name; absent ones are left out.

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
    """Model name of the processor; the architecture where the system does not tell."""
    if sys.platform == "darwin":
        name = _output("sysctl", "-n", "machdep.cpu.brand_string") or ""
    else:
        name = _cpuinfo(Path("/proc/cpuinfo")) or platform.processor()
    return name or platform.machine()


def _cpuinfo(path: Path) -> str:
    """Take the first model name in Linux's list of processors; empty where there is none (as on most ARM machines)."""
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
    """Forget the most memory in use so far, where that can be: on a CUDA device and on Linux."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with suppress(OSError):  # a container may forbid it: the peak is then that of the process
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: str) -> int:
    """Most memory in use, in bytes: PyTorch's on a CUDA device, otherwise this process's (0 on Windows).

    Since `restart_peak`, or since the process began.
    """
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts what the parent had before it started this process
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@cache
def commit() -> str | None:
    """Git commit of the checkout that the running code is the same as, with `-dirty` if it was changed since.

    That checkout is looked for around the code itself (an editable install) and in the working directory (tox runs the
    wheel from there). None where there is no such checkout or no git.
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
    """Compare every module of the running package with the file of the checkout that becomes this module."""
    for file in package.rglob("*.py"):
        place = file.relative_to(package)
        source = checkout / place if place.parts[0] in _MAPPED else checkout / "harness" / place
        if not source.is_file() or not filecmp.cmp(file, source, shallow=False):
            return False
    return True


def _output(*command: str) -> str | None:
    """First line that a command prints; None if it fails, hangs or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("\n")[0]


def describe() -> dict[str, Any]:
    """Everything a bug report needs, ready for JSON. `torch` is None where absent, its error where it is broken."""
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
    """Say how and where the package was installed."""
    place = Path(__file__).parents[1]
    source = json.loads(distribution("prunebench").read_text("direct_url.json") or "{}")
    if source.get("dir_info", {}).get("editable"):
        return f"editable, {place}"
    return f"from {source.get('url', 'a package index')}, {place}"


def _memory() -> int | None:
    """Give the machine's memory in bytes."""
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
    found = torch.cuda.get_device_properties(number)
    return f"{found.name} (capability {found.major}.{found.minor}, {found.total_memory / 2**30:.0f} GiB)"


def text(facts: dict[str, Any], indent: str = "") -> str:
    """Write what `describe` found, one fact a line.

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
