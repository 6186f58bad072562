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


def test_a_layer_that_a_point_does_not_have_is_missing_there(make: SimpleNamespace) -> None:
    changed = make.record("l1", widths={"conv1": (20, 9), "new": (8, 4)})
    seeds = [make.record("l1", 1, widths={"conv1": (20, 9)}), make.record("magnitude", widths={"conv1": (20, 9)})]
    table = widths_table(gather_results("x", [changed, *seeds]))
    found = make.text(widths_section(table))
    assert "new | 8 | n/a | 4" in found
    assert table[table["layer"] == "new"]["n"].tolist() == [1]
