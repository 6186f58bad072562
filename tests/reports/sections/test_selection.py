from types import SimpleNamespace
from typing import Any

from prunebench.records.record import Record
from prunebench.records.selection import SelectionFacts
from prunebench.reports.results import gather_results
from prunebench.reports.sections.selection import selection_section
from prunebench.reports.tables.records import records_table


def records(make: SimpleNamespace, criterion: str, **fields: Any) -> list[Record]:
    facts = SelectionFacts(groups=39, removed=250, **fields) if fields else SelectionFacts(groups=39, removed=250)
    return [r.model_copy(update={"selection": facts}) for r in make.grid((criterion,), range(2))]


def test_constant_scores_are_named(make: SimpleNamespace) -> None:
    constant = tuple(f"conv{number}" for number in range(38))
    told = make.text(selection_section(gather_results("x", records(make, "slimming", constant=constant, by_lot=240))))
    line = "slimming on mnist x lenet5, local ranking: constant in 38 of 39 groups: these units were removed by lot"
    assert line in told
    assert "mnist x lenet5 | local | slimming | 0.25 MACs | 500 | 480 | n/a | n/a | n/a" in told
    assert "0.5 MACs" not in told  # the smallest keep has all cuts above it


def test_the_error_of_draws_is_tabulated(make: SimpleNamespace) -> None:
    drawn = records(make, "obd", error=0.055, within_error=12, otherwise=9)
    section = selection_section(gather_results("x", [*drawn, *records(make, "magnitude"), *make.grid(("random",))]))
    told = make.text(section)
    assert "mnist x lenet5 | local | obd | 0.25 MACs | 500 | 0 | 5.5 % | 24 | 18" in told
    assert "magnitude" not in told and "random |" not in told and make.lines(section) == []


def test_sure_choices_are_said_in_a_sentence(make: SimpleNamespace) -> None:
    assert "No score had ties" in make.text(selection_section(gather_results("x", records(make, "magnitude"))))
    assert "No criterion with a score" in selection_section(gather_results("x", make.grid(("random",)))).why_empty


def test_the_records_table_holds_the_facts(make: SimpleNamespace) -> None:
    table = records_table(gather_results("x", records(make, "obd", error=0.1, within_error=2, otherwise=3)))
    assert set(table["selection_constant"]) == {0} and set(table["selection_otherwise"]) == {3}
