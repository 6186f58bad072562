from types import SimpleNamespace

from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.document import Table
from prunebench.reports.results import Results, gather_results
from prunebench.reports.sections.comparison import comparison_sections


def tables(results: Results, demonstration: bool = False) -> list[Table]:
    sections = comparison_sections(differences_table(results), demonstration)
    return [block for section in sections for block in section.blocks if isinstance(block, Table)]


def row(table: Table, criterion: str) -> dict[str, str]:
    cells = next(row for row in table.rows if row[1] == criterion)
    return dict(zip(table.header, cells, strict=True))


def test_numbers_as_a_reader_sees_them(make: SimpleNamespace) -> None:
    levels = {"taylor": (0.95, 0.93), "magnitude": (0.90, 0.90), "random": (0.90, 0.90)}
    records = [make.record(name, s, accuracy=a) for name, part in levels.items() for s, a in enumerate(part)]
    contrasts, controls = tables(gather_results("x", records))
    # 4 points on average, s = sqrt(2), t(.975, 1) = 12.7062: half = 12.7062
    assert row(contrasts, "taylor")["difference"] == "+4.00 [-8.71, +16.71]"
    assert row(contrasts, "taylor")["p, adjusted (smallest)"] == "0.5 (0.5)"
    assert row(controls, "taylor")["to random"] == "+4.00 [-8.71, +16.71]"
    assert "to magnitude" not in controls.header  # it stands among the contrasts


def test_one_seed_has_no_interval_and_says_so(make: SimpleNamespace) -> None:
    records = [make.record("taylor", 0, accuracy=0.95), make.record("magnitude", 0, accuracy=0.90)]
    (contrasts,) = tables(gather_results("x", records))
    assert row(contrasts, "taylor")["difference"] == "+5.00 (n = 1)"
    assert (row(contrasts, "taylor")["p"], row(contrasts, "taylor")["verdict"]) == ("n/a", "too few seeds")


def test_no_test_in_a_demonstration(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "taylor")))
    header = {name for table in tables(results, demonstration=True) for name in table.header}
    assert not header & {"p", "p, adjusted (smallest)", "verdict"}


def test_different_budgets_are_marked_and_gaps_named(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor", "l1"), (0, 1), (0.5,), "global")
    records += [make.record("obd", 9, ranking="global"), make.record("random", 9, ranking="global")]
    contrasts, controls = tables(gather_results("x", records))
    assert row(contrasts, "taylor")["difference"].endswith("†")
    assert not row(contrasts, "l1")["difference"].endswith("†")
    assert row(controls, "l1")["to random"] == "no shared seed"
