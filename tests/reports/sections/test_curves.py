from types import SimpleNamespace

import pandas as pd

from prunebench.reports.document import Section, Table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.curves import areas_section, fronts_section


def rows(section: Section) -> tuple[tuple[str, ...], ...]:
    return next(block.rows for block in section.blocks if isinstance(block, Table))


def test_areas_and_fronts_are_the_tables(tables: dict[str, pd.DataFrame]) -> None:
    assert len(rows(areas_section(tables["areas"], False))) == len(tables["areas"])
    assert len(rows(fronts_section(tables["fronts"]))) == tables["fronts"]["on_front"].sum()


def test_nothing_to_show(make: SimpleNamespace) -> None:
    empty = make.tables(gather_results("x", []))
    for section in (areas_section(empty["areas"], False), fronts_section(empty["fronts"])):
        assert section.why_empty and not section.blocks


def test_curves_have_verdicts_but_not_in_a_demonstration(make: SimpleNamespace) -> None:
    gaps = [(c, s, k) for c in ("magnitude", "taylor") for s in range(8) for k in (0.5, 0.25)]
    records = [
        make.record(c, s, k, accuracy=0.9 + 0.001 * s * (c == "taylor") + 0.01 * (c == "taylor")) for c, s, k in gaps
    ]
    areas = make.tables(gather_results("x", records))["areas"]
    cells = {row[2]: row[-1] for row in rows(areas_section(areas, False))}
    assert cells["magnitude"] == "n/a" and cells["taylor"].startswith("better (p, adjusted: 0.00")
    assert {row[-1] for row in rows(areas_section(areas, True))} == {"n/a"}
