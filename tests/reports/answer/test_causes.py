from types import SimpleNamespace

import pandas as pd

from prunebench.reports.analysis.causes import causes_table, parts_without_pair
from prunebench.reports.answer.causes import causes_section
from prunebench.reports.results import gather_results


def test_causes_in_words_count_their_intervals(make: SimpleNamespace, tables: dict[str, pd.DataFrame]) -> None:
    text = make.text(causes_section(tables["causes"], [])).splitlines()
    units = next(line for line in text if line.startswith("mnist x lenet5 | local | units | "))
    part = tables["causes"][tables["causes"]["cause"] == "units"]
    assert (
        f"{100 * part['difference'].min():+.2f} to {100 * part['difference'].max():+.2f} points over 4 cells" in units
    )
    assert f"of 4 intervals {(part['low'] > 0).sum()} above zero, {(part['high'] < 0).sum()} below" in units
    assert any("global | allocation" in line for line in text)


def test_a_combination_without_a_part_says_so(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "reg_obd", "obd"), range(2)))
    section = causes_section(causes_table(results), parts_without_pair(results))
    assert "local | combination | " in make.text(section)  # against `obd`
    assert make.lines(section)[-1] == (
        "mnist x lenet5, local ranking, keep 0.5, 0.25 MACs: `reg_obd` is not compared with `hsqgl12`, "
        "which was not run"
    )


def test_equal_differences_are_no_interval(make: SimpleNamespace) -> None:
    records = [make.record(c, s, accuracy=a) for c, a in (("taylor", 0.75), ("random", 0.5)) for s in (0, 1)]
    text = make.text(causes_section(causes_table(gather_results("x", records)), []))
    assert ("units | +25.00 points; one seed, or all equal: no interval") in text


def test_nothing_to_show() -> None:
    section = causes_section(causes_table(gather_results("x", [])), [])
    assert section.why_empty and not section.blocks
