import pytest

from prunebench.choosing.cost_words import speed_lines
from prunebench.records.latency import Latency


@pytest.mark.parametrize(("high", "lines"), [(2.1, 1), (2.6, 2)])
def test_a_speed_up_of_a_busy_machine_is_called_unreliable(high: float, lines: int) -> None:
    seconds = {"dense_seconds": 0.02, "pruned_seconds": 0.01}
    machine = {"machine": "imaginary", "backend": "eager", "batch": 64, "threads": 1}
    latency = Latency(key="a", ratios=(2.0,), speedup=2.0, low=1.9, high=high, **seconds, **machine)  # type: ignore[arg-type]
    found = [str(line) for line in speed_lines(latency, "macs=0.5")]
    assert found[0].startswith("Speed-up measured at macs=0.5: 2.00x [1.90, ") and len(found) == lines
    assert all("unreliable" in line for line in found[1:])
