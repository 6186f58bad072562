from types import SimpleNamespace

from prunebench.reports.results import gather_results
from prunebench.reports.tables.speed import main_setting, speed_table


def test_settings_are_kept_apart(make: SimpleNamespace) -> None:
    records = [make.record(seed=s) for s in (0, 1)]
    timings = [make.latency(r) for r in records] + [make.latency(records[0], "onnx")]
    results = gather_results("x", records, timings)
    table = speed_table(results)
    assert table[["backend", "n"]].to_numpy().tolist() == [["eager", 2], ["onnx", 1]]
    assert main_setting(results) == ("imaginary", "eager", 64, 1)


def test_nothing_timed(make: SimpleNamespace) -> None:
    results = gather_results("x", [make.record()])
    assert len(speed_table(results)) == 0 and main_setting(results) is None


def test_a_measurement_on_a_busy_machine_is_noisy(make: SimpleNamespace) -> None:
    records = [make.record(c, s) for c in ("magnitude", "taylor") for s in (0, 1)]
    timings = [make.latency(r) for r in records]
    timings[3] = timings[3].model_copy(update={"speedup": 10.0, "low": 0.4, "high": 11.5})
    table = speed_table(gather_results("x", records, timings))
    assert table["noisy"].tolist() == [False, True]
    assert (table["own_low"][1], table["own_high"][1]) == (0.4, 11.5)
