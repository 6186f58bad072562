from types import SimpleNamespace

from prunebench.reports.results import gather_results
from prunebench.reports.sections.widths import widths_section
from prunebench.reports.tables.widths import widths_table


def test_criteria_with_equal_widths_share_a_column(make: SimpleNamespace) -> None:
    found = make.text(widths_section(widths_table(gather_results("x", make.grid()))))
    assert "layer | dense | all criteria" in found
    mixed = gather_results("x", make.grid(("magnitude", "l1", "taylor"), ranking="global"))
    found = make.text(widths_section(widths_table(mixed)))
    assert "layer | dense | magnitude, l1 | taylor" in found and "fc1 | 500 | 353 | 50*" in found
