"""Counters of energy: RAPL in a folder tree of the test, NVML as a module of the test. No real counter is read."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from prunebench.study.store import Store
from prunebench.timing import energy, timer
from prunebench.timing.energy import NoMeterError, find_meter, joules
from prunebench.timing.timer import Stopwatch

CPU = torch.device("cpu")


def zone(folder: Path, name: str, kind: str, energy_uj: int, most: int = 999_999_999) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    for file, value in (("name", kind), ("energy_uj", energy_uj), ("max_energy_range_uj", most)):
        (path / file).write_text(f"{value}\n")
    return path


def test_packages_are_added_and_their_parts_are_not_counted_twice(tmp_path: Path) -> None:
    one = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    two = zone(tmp_path, "intel-rapl:1", "package-1", 1_000_000)
    core = zone(tmp_path, "intel-rapl:0:0", "core", 1)
    board = zone(tmp_path, "intel-rapl:2", "psys", 1)
    meter = find_meter(CPU, tmp_path)
    assert meter() == 0
    for path, value in ((one, 7_500_000), (two, 1_250_000), (core, 900_000), (board, 9_000_000)):
        (path / "energy_uj").write_text(str(value))
    assert meter() == pytest.approx(2.5 + 0.25)


def test_a_counter_that_begins_again_goes_on(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000)
    meter = find_meter(CPU, tmp_path)
    for value, total in ((999_999_999, 0.999999), (0, 1.0), (2_000_000, 3.0), (1_000_000, 1002.0)):
        (path / "energy_uj").write_text(str(value))
        assert meter() == pytest.approx(total)
    (path / "energy_uj").unlink()
    with pytest.raises(NoMeterError, match="No such file"):
        meter()


def test_a_machine_without_counters_or_one_that_hides_them_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoMeterError, match="no CPU package under"):
        find_meter(CPU, tmp_path / "powercap")
    hidden = zone(tmp_path, "intel-rapl:0", "package-0", 1) / "energy_uj"
    original = Path.read_text

    def read_text(self: Path, *given: Any, **named: Any) -> str:
        if self == hidden:
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *given, **named)

    monkeypatch.setattr(Path, "read_text", read_text)
    with pytest.raises(NoMeterError, match=r"Permission denied: .*energy_uj"):
        find_meter(CPU, tmp_path)
    with pytest.raises(NoMeterError, match="no counter is known for mps"):
        find_meter(torch.device("mps"))


class NVMLError(Exception):
    """An error of the fake module."""


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    state = SimpleNamespace(millijoules=4000, asked=[])

    def consumption(handle: str) -> int:
        if state.millijoules is None:
            raise NVMLError("Not Supported")
        state.asked.append(handle)
        return int(state.millijoules)

    fake: Any = ModuleType("pynvml")
    fake.NVMLError, fake.nvmlInit = NVMLError, lambda: None
    fake.nvmlDeviceGetHandleByUUID = lambda uuid: f"handle of {uuid}"
    fake.nvmlDeviceGetTotalEnergyConsumption = consumption
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1-2"))
    return state


def test_nvml_tells_the_energy_of_the_gpu_that_torch_uses(nvml: SimpleNamespace) -> None:
    meter = find_meter(torch.device("cuda"))
    before = meter()
    nvml.millijoules = 5500
    assert meter() - before == pytest.approx(1.5)
    assert set(nvml.asked) == {"handle of GPU-1-2"}
    nvml.millijoules = None
    with pytest.raises(NoMeterError, match="NVML: Not Supported"):
        meter()


def test_a_gpu_without_a_counter_says_so(nvml: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.millijoules = None
    with pytest.raises(NoMeterError, match="NVML: Not Supported"):
        find_meter(torch.device("cuda"))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(NoMeterError, match="pynvml is not installed; pip install nvidia-ml-py"):
        find_meter(torch.device("cuda"))


@pytest.mark.parametrize(("seconds", "calls"), [(0.25, 8), (5.0, 1)])
def test_joules_of_one_call_are_a_mean_over_two_seconds(
    seconds: float, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = {"now": 0.0, "joules": 10.0, "calls": 0.0}
    monkeypatch.setattr(energy, "time", SimpleNamespace(perf_counter=lambda: used["now"]))

    def call() -> None:
        used["now"], used["joules"], used["calls"] = used["now"] + seconds, used["joules"] + 3, used["calls"] + 1

    assert joules(lambda: used["joules"], call) == pytest.approx(3)
    assert used["calls"] == calls
    assert joules(lambda: 7.0, call) is None


def test_a_latency_holds_the_joules_per_picture_of_both_networks(
    tmp_path: Path, computed: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    used = {"joules": 0.0}

    def network(joules: float) -> Any:
        return lambda: used.update(joules=used["joules"] + joules)

    monkeypatch.setattr(energy, "_SECONDS", 0.01)
    monkeypatch.setattr(timer, "find_meter", lambda device: lambda: used["joules"])
    found = Stopwatch(Store(tmp_path), CPU, "eager", 8, 4).measure(network(4), network(2), computed.records["l1", 0.5])
    assert (found.dense_joules, found.pruned_joules) == (pytest.approx(0.5), pytest.approx(0.25))

    def none(device: torch.device) -> None:
        raise NoMeterError("no counter")

    monkeypatch.setattr(timer, "find_meter", none)
    caplog.set_level("INFO")
    watch = Stopwatch(Store(tmp_path), CPU, "eager", 8, 4)
    for _ in range(2):
        found = watch.measure(network(4), network(2), computed.records["l1", 0.5])
        assert found.dense_joules is None and found.pruned_joules is None
    assert caplog.messages.count("energy per picture is not measured: no counter") == 1

    def broken() -> float:
        raise NoMeterError("the counter went away")

    monkeypatch.setattr(timer, "find_meter", lambda device: broken)
    found = Stopwatch(Store(tmp_path), CPU, "eager", 8, 4).measure(network(4), network(2), computed.records["l1", 0.5])
    assert found.dense_joules is None and found.speedup > 0
    assert caplog.messages.count("energy per picture is not measured: the counter went away") == 1
