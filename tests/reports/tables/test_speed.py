from types import SimpleNamespace

import numpy as np
import pytest

from prunebench.reports.output.speed import speed_text
from prunebench.reports.results import gather_results
from prunebench.reports.sections.costs import busy_lines, speed_section
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
    records[3] = records[3].model_copy(update={"widths": {"conv1": (20, 3)}})  # no other network is like it
    timings[3] = timings[3].model_copy(update={"speedup": 10.0, "low": 0.4, "high": 11.5})
    table = speed_table(gather_results("x", records, timings))
    assert table["noisy"].tolist() == [False, True]
    assert (table["own_low"][1], table["own_high"][1]) == (0.4, 11.5)


def test_a_thread_that_lacked_its_core_is_noisy_and_the_report_says_why(make: SimpleNamespace) -> None:
    record = make.record()
    for share, noisy in ((None, False), (0.9, False), (0.89, True)):
        timing = make.latency(record).model_copy(update={"core_share": share})
        table = speed_table(gather_results("x", [record], [timing]))
        assert table["noisy"].tolist() == [noisy]
        assert table["core_share"].tolist() == pytest.approx([float("nan") if share is None else share], nan_ok=True)
        text = make.text(speed_section(table))
        assert ("[1.73, 1.77] ‡" in text) == noisy == ("the timing thread had less than 90 % of its core" in text)


def test_the_share_of_one_of_several_threads_tells_nothing(make: SimpleNamespace) -> None:
    record = make.record()
    timing = make.latency(record).model_copy(update={"core_share": 0.5, "threads": 2})
    assert speed_table(gather_results("x", [record], [timing]))["noisy"].tolist() == [False]


def test_the_least_share_of_a_core_stands_for_a_point(make: SimpleNamespace) -> None:
    records = [make.record(seed=s) for s in (0, 1)]
    timings = [make.latency(r) for r in records]
    for number, share in enumerate((0.97, 0.95)):
        update = {"core_share": share, "ratios": (2.0 + number,)}
        timings[number] = timings[number].model_copy(update=update)
    assert speed_table(gather_results("x", records, timings))["core_share"].tolist() == [0.95]


def test_energies_are_columns_where_there_are_any_and_else_said_to_lack(make: SimpleNamespace) -> None:
    records = [make.record(c) for c in ("magnitude", "taylor")]
    records[1] = records[1].model_copy(update={"widths": {"conv1": (20, 3)}})  # another network
    timings = [make.latency(r) for r in records]
    lacking = gather_results("x", records, timings)
    assert "Energy per picture: not measured" in make.text(speed_section(speed_table(lacking)))
    assert "mJ" not in make.text(speed_section(speed_table(lacking))) and "mJ" not in speed_text(lacking)
    timings[0] = timings[0].model_copy(update={"dense_joules": 0.0125, "pruned_joules": 0.004})
    told = gather_results("x", records, timings)
    table = speed_table(told)
    assert table["dense_joules"].tolist() == pytest.approx([0.0125, float("nan")], nan_ok=True)
    for text in (make.text(speed_section(table)), speed_text(told)):
        row, other = (next(line for line in text.splitlines() if name in line) for name in ("magnitude", "taylor"))
        assert row.split()[-1] == "4.00" and "12.5" in row
        assert other.split()[-1] == "n/a"
        assert "mJ: millijoules per picture" in text and "not measured" not in text


def test_networks_of_equal_widths_share_their_measurements(make: SimpleNamespace) -> None:
    records = [make.record(c, s) for c in ("magnitude", "taylor") for s in (0, 1)]
    speeds = (1.0, 2.0, 3.0, 4.0)
    timings = [
        make.latency(r).model_copy(update={"speedup": x, "low": x, "high": x, "ratios": (x,)})
        for r, x in zip(records, speeds, strict=True)
    ]
    table = speed_table(gather_results("x", records, timings))
    assert table["measured"].tolist() == [2.5, 2.5]
    assert table["n"].tolist() == [2, 2]
    assert table["measured_half"][0] == pytest.approx(3.182 * np.std(speeds, ddof=1) / 2, rel=1e-3)
    timings[0] = timings[0].model_copy(update={"high": 2.0})  # a noisy one is left out where others are calm
    assert speed_table(gather_results("x", records, timings))["measured"].tolist() == [3.0, 3.0]
    once = [timings[1].model_copy(update={"key": r.key}) for r in records]  # timed once, for all
    table = speed_table(gather_results("x", records, once))
    assert table["measured"].tolist() == [2.0, 2.0] and table["measured_half"].isna().all()


def test_seeds_that_share_widths_are_one_network(make: SimpleNamespace) -> None:
    records = [make.record(seed=s) for s in (0, 1, 2)]
    records[2] = records[2].model_copy(update={"widths": {"conv1": (20, 3)}})
    timings = [
        make.latency(record).model_copy(update={"speedup": x, "low": x, "high": x, "ratios": (x,)})
        for record, x in zip(records, (2.0, 2.0, 4.0), strict=True)
    ]
    timings[1] = timings[0].model_copy(update={"key": records[1].key})  # timed once for both
    row = speed_table(gather_results("x", records, timings)).iloc[0]
    assert (row["n"], row["measured"]) == (3, 3.0)
    assert row["measured_half"] == pytest.approx(12.706 * np.std((2.0, 4.0), ddof=1) / 2**0.5, rel=1e-3)


def test_dense_times_that_disagree_are_a_warning(make: SimpleNamespace) -> None:
    records = [make.record(seed=s) for s in (0, 1)]
    timings = [make.latency(r) for r in records]
    assert busy_lines(speed_table(gather_results("x", records, timings))) == []
    timings[1] = timings[1].model_copy(update={"dense_seconds": 2.0})
    table = speed_table(gather_results("x", records, timings))
    (line,) = busy_lines(table)
    assert "the same dense network took from 20.0 to 2,000 ms: the machine was busy" in line
    text = make.text(speed_section(table))
    assert line in text and "1,010" in text and "e+0" not in text
