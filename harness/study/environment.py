"""Packages, hardware and commit, for records and for `prunebench env`. Imports torch on demand."""

import filecmp
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prunebench.errors import printable

PACKAGES = ("prunebench", "torch", "torchvision", "torch-pruning", "pytest-benchmark", "numpy", "scipy", "pandas")
_KERNEL_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
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


@cache
def cpu_kernels() -> str:
    """Name the kernel set that torch uses on this CPU, with the variables that change it. It decides the last digits.

    Example: `AVX2, oneDNN`.
    """
    import torch

    parts = [torch.backends.cpu.get_cpu_capability()]
    parts += ["oneDNN"] * torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    parts += [f"{name}={value}" for name, value in kernel_variables().items()]
    return printable(", ".join(parts))


def kernel_variables() -> dict[str, str]:
    """Return the variables of the environment that change the kernels."""
    return {name: os.environ[name] for name in _KERNEL_VARIABLES if os.environ.get(name)}


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
