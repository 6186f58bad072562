"""Energy that the CPU packages or an NVIDIA GPU have used, where the machine tells it: RAPL of Linux, NVML."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from prunebench.timing.warming import Call

POWERCAP = Path("/sys/class/powercap")
Meter = Callable[[], float]  # joules since some moment

_SECONDS = 2.0  # that a call is repeated for: NVML's counter moves some ten times a second


class NoMeterError(Exception):
    """The machine does not tell its energy; the message says why in a few words."""


class Rapl:
    """Joules that CPU packages used since this object was made. zones: their folders.

    The counters begin again at zero. So at least one reading is needed in each of their ranges, which last minutes.
    """

    def __init__(self, zones: Sequence[Path]) -> None:
        self._ranges = {zone: 1 + _number(zone / "max_energy_range_uj") for zone in zones}
        self._last = {zone: _number(zone / "energy_uj") for zone in zones}
        self._microjoules = 0

    def __call__(self) -> float:
        """Read all counters. Raises `NoMeterError`."""
        for zone, last in self._last.items():
            try:
                now = self._last[zone] = _number(zone / "energy_uj")
            except (OSError, ValueError) as error:
                raise NoMeterError(str(error)) from None
            self._microjoules += (now - last) % self._ranges[zone]
        return self._microjoules / 1e6


def find_meter(device: torch.device, powercap: Path = POWERCAP) -> Meter:
    """Give the meter of a device: its CPU packages or its GPU. powercap: folder of RAPL. Raises `NoMeterError`."""
    if device.type == "cuda":
        return _nvml(str(torch.cuda.get_device_properties(device).uuid))
    if device.type != "cpu":
        raise NoMeterError(f"no counter is known for {device.type}")
    try:
        names = {zone: (zone / "name").read_text() for zone in sorted(powercap.glob("intel-rapl:*"))}
        packages = [zone for zone, name in names.items() if name.startswith("package")]
        if not packages:
            raise NoMeterError(f"no CPU package under {powercap}")
        return Rapl(packages)
    except (OSError, ValueError) as error:  # most systems let the superuser alone read
        raise NoMeterError(str(error)) from None


def _nvml(uuid: str) -> Meter:
    try:
        import pynvml
    except ImportError:
        raise NoMeterError("pynvml is not installed; pip install nvidia-ml-py") from None

    def read() -> float:
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
        except pynvml.NVMLError as error:
            raise NoMeterError(f"NVML: {error}") from None

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError as error:
        raise NoMeterError(f"NVML: {error}") from None
    read()
    return read


def joules(meter: Meter, call: Call) -> float | None:
    """Repeat a call for some seconds. Returns the joules of one; None where the counter did not rise."""
    start, before, count = time.perf_counter(), meter(), 0
    while not count or time.perf_counter() - start < _SECONDS:
        call()
        count += 1
    used = meter() - before
    return used / count if used > 0 else None


def _number(file: Path) -> int:
    return int(file.read_text())
