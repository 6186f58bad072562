from types import SimpleNamespace

from prunebench.records.packed import PerPicture
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.document import Table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.contrasts import contrast_blocks


def test_the_pictures_interval_of_one_seed_says_what_it_is(make: SimpleNamespace) -> None:
    right = {"taylor": [1, 1, 1, 0], "magnitude": [1, 0, 1, 0]}
    images = {c: PerPicture.pack(r, r, r) for c, r in right.items()}
    records = [make.record(c, s, accuracy=sum(right[c]) / 4, per_image=images[c]) for c in right for s in (0, 1)]
    cells = []
    for some in (records, records[::2]):
        table = contrast_blocks(differences_table(gather_results("x", some)), demonstration=False)[0]
        assert isinstance(table, Table)
        cells.append(dict(zip(table.header, table.rows[0], strict=True))["seeds x pictures"])
    assert cells[0].startswith("[") and cells[0].endswith("]")
    assert cells[1].endswith("] pictures only")


def test_without_a_baseline_there_is_no_table(make: SimpleNamespace) -> None:
    assert (
        contrast_blocks(differences_table(gather_results("x", make.grid(("taylor", "random")))), demonstration=False)
        == []
    )


def test_other_budgets_are_compared_where_both_curves_reach(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), range(6), (0.7, 0.5, 0.25), "global")
    table = contrast_blocks(differences_table(gather_results("x", records)), demonstration=False)[0]
    assert isinstance(table, Table)
    verdicts = [dict(zip(table.header, row, strict=True))["verdict"] for row in table.rows]
    assert all(
        text.startswith("different budgets (") and text.endswith(" of the MACs, interpolated)") for text in verdicts
    )
