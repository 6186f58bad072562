from types import SimpleNamespace

from prunebench.records.packed import PerPicture
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.answer.matrix import matrix_section
from prunebench.reports.document import Table
from prunebench.reports.results import gather_results

UP = tuple(0.01 + 0.001 * i for i in range(10))


def tables(make: SimpleNamespace, gaps: dict[str, tuple[float, ...]], demonstration: bool = False) -> list[Table]:
    records = [make.record("magnitude", seed, keep, accuracy=0.9) for seed in range(10) for keep in (0.5, 0.25)]
    records += [make.record(c, s, 0.5, accuracy=0.9 + gap) for c, part in gaps.items() for s, gap in enumerate(part)]
    section = matrix_section(differences_table(gather_results("x", records)), ("the note",), demonstration)
    return [block for block in section.blocks if isinstance(block, Table)]


def test_signs_and_styles(make: SimpleNamespace) -> None:
    gaps = {"taylor": UP, "obd": tuple(-gap for gap in UP), "l1": (0.001, -0.001) * 5, "l0": UP[:5]}
    (table,) = tables(make, gaps)
    assert table.header == ("criterion", "50 % kept") and table.task == "mnist x lenet5"
    found = {name: (cell, style) for (name, cell), (_, style) in zip(table.rows, table.styles, strict=True)}
    assert found == {
        "taylor": ("▲ +1.45", "better"),
        "obd": ("▼ -1.45", "worse"),
        "l1": ("○ 0.00", "open"),
        "l0": ("? +1.20", ""),
    }


def test_a_demonstration_has_no_verdict(make: SimpleNamespace) -> None:
    (table,) = tables(make, {"taylor": UP}, demonstration=True)
    assert table.rows == (("taylor", "+1.45"),) and table.styles == (("", ""),)


def test_other_budgets_and_missing_points(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), range(6), (0.5,), "global") + make.grid(
        ("l1",), (9,), (0.5,), "global"
    )
    section = matrix_section(differences_table(gather_results("x", records)), (), False)
    cells = dict(next(block.rows for block in section.blocks if isinstance(block, Table)))
    assert cells["taylor"].startswith("≠") and cells["l1"] == "-"


def test_a_combination_beside_its_parts(make: SimpleNamespace) -> None:
    records = make.grid(("reg_obd", "obd"), range(6), (0.125, 0.12))
    tables = matrix_section(differences_table(gather_results("x", records)), ("the note",), False).blocks
    (table,) = (block for block in tables if isinstance(block, Table))
    assert [row[0] for row in table.rows] == ["reg_obd to obd"]
    assert table.header == ("criterion", "12.5 % kept", "12 % kept")
    both = records + make.grid(("magnitude",), range(6), (0.125, 0.12))
    section = matrix_section(differences_table(gather_results("x", both)), (), False)
    names = [row[0] for block in section.blocks if isinstance(block, Table) for row in block.rows]
    assert names == ["obd", "reg_obd", "reg_obd to obd"]


def test_nothing_to_compare(make: SimpleNamespace) -> None:
    results = gather_results("x", [make.record()])
    assert matrix_section(differences_table(results), (), False).why_empty


def test_a_star_where_a_verdict_holds_for_these_pictures_only(make: SimpleNamespace) -> None:
    right = {"magnitude": [1, 1, 0, 0] * 5, "taylor": [1, 1, 0, 0] * 4 + [1, 1, 1, 0]}
    images = {c: PerPicture.pack(r, r, r) for c, r in right.items()}
    records = [make.record(c, s, accuracy=sum(right[c]) / 20, per_image=images[c]) for c in right for s in range(6)]
    section = matrix_section(differences_table(gather_results("x", records)), (), False)
    assert [block.rows for block in section.blocks if isinstance(block, Table)] == [(("taylor", "▲ +5.00*"),)]
