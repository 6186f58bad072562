from types import SimpleNamespace

from prunebench.reports.analysis.across_tasks import aggregates_table, compare_across_tasks, wilcoxon_table
from prunebench.reports.answer.tasks import tasks_section
from prunebench.reports.document import Items
from prunebench.reports.results import gather_results


def said(make: SimpleNamespace, tasks: int) -> str:
    records = []
    for task in range(tasks):
        for record in make.grid(("magnitude", "taylor", "obd"), range(2), (0.5,)):
            cell = record.cell.model_copy(update={"dataset": f"data{task}"})
            records.append(record.model_copy(update={"cell": cell, "key": f"{task}-{record.key}"}))
    results = gather_results("x", records)
    entries = compare_across_tasks(results)
    section = tasks_section(entries, wilcoxon_table(entries), aggregates_table(results, entries))
    return " ".join(line for block in section.blocks if isinstance(block, Items) for line in block.lines)


def test_six_tasks_are_tested(make: SimpleNamespace) -> None:
    text = said(make, 6)
    assert "6 tasks: mean ranks `" in text and "Friedman with Iman and Davenport's F: p = " in text
    assert "p after Holm's correction: `obd` to `magnitude`" in text
    assert "2 contrasts over 6 tasks cannot give less than 0.062: too few." in text
    assert "too few" not in said(make, 7)


def test_fewer_are_not(make: SimpleNamespace) -> None:
    assert "No test: 6 tasks are the fewest" in said(make, 3)
    assert said(make, 1) == ""
