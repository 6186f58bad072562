from types import SimpleNamespace

from prunebench.reports.figures.loss_curves import DRAWN
from prunebench.reports.results import gather_results
from prunebench.reports.sections.loss_curves import loss_curves_section
from prunebench.reports.tables.loss_curves import loss_curves_table


def test_the_section_says_what_is_drawn_and_what_is_not(make: SimpleNamespace) -> None:
    names = ("magnitude", *(f"own{number}" for number in range(DRAWN)))
    text = make.text(loss_curves_section(loss_curves_table(gather_results("x", make.grid(names, (0,))))))
    assert "smallest keep of each task (25 % of MACs)" in text and f"Only that file has `own{DRAWN - 1}`." in text


def test_records_without_epochs_leave_it_empty(make: SimpleNamespace) -> None:
    assert loss_curves_section(loss_curves_table(gather_results("x", [make.record(curves=())]))).why_empty
