from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from prunebench.reports.analysis.causes import causes_table, parts_without_pair
from prunebench.reports.document import Items, Section, Table
from prunebench.reports.output.all_tables import make_tables
from prunebench.reports.results import gather
from prunebench.reports.sections import evidence


@pytest.fixture(scope="module")
def tables(make: SimpleNamespace) -> dict[str, pd.DataFrame]:
    names = ("magnitude", "taylor", "l1", "random", "dense_continued", "scratch:magnitude")
    return make_tables(gather("x", make.grid(names, range(6)) + make.grid(("taylor",), range(6), ranking="global")))


def lines(section: Section) -> list[str]:
    return [line for block in section.blocks if isinstance(block, Items) for line in block.lines]


def test_causes_in_words_count_their_intervals(tables: dict[str, pd.DataFrame]) -> None:
    text = lines(evidence.causes_section(tables["causes"]))
    units = next(line for line in text if line.startswith("mnist x lenet5, local ranking, units: "))
    part = tables["causes"][tables["causes"]["cause"] == "units"]
    assert (
        f"{100 * part['difference'].min():+.2f} to {100 * part['difference'].max():+.2f} points over 4 cells" in units
    )
    assert f"of 4 intervals {(part['low'] > 0).sum()} above zero, {(part['high'] < 0).sum()} below" in units
    assert any("global ranking, allocation" in line for line in text)


def test_a_combination_without_a_part_says_so(make: SimpleNamespace) -> None:
    results = gather("x", make.grid(("magnitude", "reg_obd", "obd"), range(2)))
    text = lines(evidence.causes_section(causes_table(results), parts_without_pair(results)))
    assert any("local ranking, combination: " in line for line in text)  # against `obd`
    assert text[-1] == (
        "mnist x lenet5, local ranking, keep 0.5, 0.25 MACs: `reg_obd` is not compared with `hsqgl12`, "
        "which was not run"
    )


def test_equal_differences_are_no_interval(make: SimpleNamespace) -> None:
    records = [make.record(c, s, accuracy=a) for c, a in (("taylor", 0.75), ("random", 0.5)) for s in (0, 1)]
    text = lines(evidence.causes_section(causes_table(gather("x", records))))
    assert text[-1].endswith("units: +25.00 points; one seed, or all equal: no interval")


def test_without_loss_names_the_smallest_keep(tables: dict[str, pd.DataFrame]) -> None:
    section = evidence.margins_section(tables["margins"], tables["smallest_keeps"], demonstration=False)
    held = tables["smallest_keeps"]
    row = held[(held["criterion"] == "magnitude") & (held["reference"] == "dense")].iloc[0]
    where = f"down to keep {row['smallest_keep']:g} ({100 * (1 - row['params_kept']):.0f} % of the parameters removed)"
    against = next(line for line in lines(section) if "local ranking, against the dense network before" in line)
    assert where in against and "`magnitude`" in against.partition(where)[2].partition(";")[0]
    silent = evidence.margins_section(tables["margins"], tables["smallest_keeps"], demonstration=True)
    assert not lines(silent)


def test_areas_and_fronts_are_the_tables(tables: dict[str, pd.DataFrame]) -> None:
    def rows(section: Section) -> Any:
        return next(block.rows for block in section.blocks if isinstance(block, Table))

    assert len(rows(evidence.areas_section(tables["areas"]))) == len(tables["areas"])
    assert len(rows(evidence.fronts_section(tables["fronts"]))) == tables["fronts"]["on_front"].sum()


def test_nothing_to_show(make: SimpleNamespace) -> None:
    empty = make_tables(gather("x", []))
    for section in (
        evidence.causes_section(empty["causes"]),
        evidence.margins_section(empty["margins"], empty["smallest_keeps"], demonstration=False),
        evidence.areas_section(empty["areas"]),
        evidence.fronts_section(empty["fronts"]),
    ):
        assert section.why and not section.blocks
