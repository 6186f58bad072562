from types import SimpleNamespace

import pandas as pd

from prunebench.reports.document import Section, Table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.curves import areas_section, fronts_section


def rows(section: Section) -> tuple[tuple[str, ...], ...]:
    return next(block.rows for block in section.blocks if isinstance(block, Table))


def test_areas_and_fronts_are_the_tables(tables: dict[str, pd.DataFrame]) -> None:
    assert len(rows(areas_section(tables["areas"]))) == len(tables["areas"])
    assert len(rows(fronts_section(tables["fronts"]))) == tables["fronts"]["on_front"].sum()


def test_nothing_to_show(make: SimpleNamespace) -> None:
    empty = make.tables(gather_results("x", []))
    for section in (areas_section(empty["areas"]), fronts_section(empty["fronts"])):
        assert section.why_empty and not section.blocks
