from types import SimpleNamespace
from typing import Any

import pandas as pd

from prunebench.records.packed import PerPicture
from prunebench.reports.analysis.differences import areas_table, contrast_tables, differences_table
from prunebench.reports.document import Items, Table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.assembly import checkpoint_condition
from prunebench.reports.sections.contrasts import contrast_blocks
from prunebench.reports.sections.margins import margins_section
from prunebench.reports.sections.verdicts import (
    families_note,
    too_few_seeds_notes,
    verdict_sentences,
    verdicts_section,
)


def table(make: SimpleNamespace, gaps: dict[str, tuple[float, ...]], keep: float = 0.5) -> pd.DataFrame:
    """gaps: differences to magnitude by criterion, one for each seed."""
    seeds = max(len(gap) for gap in gaps.values())
    records = [make.record("magnitude", seed, keep, accuracy=0.9) for seed in range(seeds)]
    records += [make.record(c, seed, keep, accuracy=0.9 + d) for c, gap in gaps.items() for seed, d in enumerate(gap)]
    return differences_table(gather_results("x", records))


def said(make: SimpleNamespace, gaps: dict[str, tuple[float, ...]]) -> str:
    return " ".join(verdict_sentences(table(make, gaps)))


def test_better_worse_and_open_at_ten_seeds(make: SimpleNamespace) -> None:
    up, even = tuple(0.01 + 0.001 * i for i in range(10)), (0.001, -0.001) * 5
    text = said(make, {"taylor": up, "obd": tuple(-d for d in up), "l1": (*even[:9], 0.003)})
    where = "mnist x lenet5, local ranking, keep 0.5 of the MACs, against `magnitude`, 10 seeds: "
    assert text.startswith(where + "better: `taylor` +1.45 [+1.23, +1.67] (p = 0.002)")
    assert "; worse: `obd` -1.45 [-1.67, -1.23] (p = 0.002)" in text
    assert "; not told apart: `l1`; the largest difference: `l1` +0.04 [" in text
    assert "seeds would tell" not in text


def test_five_seeds_cannot_decide_and_say_how_many_can(make: SimpleNamespace) -> None:
    gaps = {"taylor": (0.01, 0.011, 0.012, 0.01, 0.011), "obd": (0.0, 0.001, 0.0, 0.001, 0.0)}
    text = said(make, gaps)
    (limit,) = too_few_seeds_notes(table(make, gaps))
    assert limit.startswith("5 seeds cannot decide, whatever they had given: the smallest possible p is 0.062. 6 seeds")
    assert "no verdict, too few seeds: `obd`, `taylor`; the largest difference: `taylor` +1.08" in text
    assert "better" not in text and "not told apart" not in text


def test_one_seed_ties_and_gaps(make: SimpleNamespace) -> None:
    assert "1 seed: one seed decides nothing: `taylor`." in said(make, {"taylor": (0.1,)})
    tied = said(make, {"taylor": (0.0,) * 10})
    assert "no verdict, too many ties: `taylor` 0.00 (all 10 equal)." in tied
    assert not list(too_few_seeds_notes(table(make, {"taylor": (0.0,) * 10})))
    assert "`taylor` +0.10 [" in (some := said(make, {"taylor": (0.01,) + (0.0,) * 9}))
    assert "(9 of 10 tie)." in some
    lonely = differences_table(gather_results("x", [make.record("taylor", 0), make.record("magnitude", 1)]))
    assert next(verdict_sentences(lonely)).endswith("0 seeds: no shared seed: `taylor`.")


def test_a_combination_stands_against_its_parts(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "obd", "hsqgl12", "reg_obd"), range(10), (0.5,))
    lines = verdict_sentences(differences_table(gather_results("x", records)))
    found = {line.partition("against `")[2].partition("`")[0]: line for line in lines}
    assert set(found) == {"magnitude", "obd", "hsqgl12"}
    assert "`reg_obd`" in found["hsqgl12"] and "`obd`" not in found["hsqgl12"].partition("seeds: ")[2]


def test_what_holds_for_these_pictures_only_says_so(make: SimpleNamespace) -> None:
    right = {"magnitude": [1, 1, 0, 0] * 5, "taylor": [1, 1, 0, 0] * 4 + [1, 1, 1, 0]}  # one picture of twenty
    images = {c: PerPicture.pack(r, r, r) for c, r in right.items()}
    records = [make.record(c, s, accuracy=sum(right[c]) / 20, per_image=images[c]) for c in right for s in range(6)]
    results = gather_results("x", records)
    assert "(p = 0.031, on these test pictures)" in " ".join(verdict_sentences(differences_table(results)))
    table, _ = contrast_blocks(differences_table(results), demonstration=False)
    assert isinstance(table, Table) and table.rows[0][-1] == "better, on these test pictures"


def test_the_families_are_counted(make: SimpleNamespace) -> None:
    def note(records: list[Any]) -> str:
        return " ".join(families_note(*contrast_tables(gather_results("x", records))))

    one = make.grid(("magnitude", "taylor", "obd"), range(6))
    text = note(one)  # two contrasts at two keeps and over the curve
    assert text.startswith("One family of tests, 6 contrasts") and "at most 5 %" in text
    text = note(one + make.grid(("magnitude", "taylor"), range(6), ranking="global"))
    assert text.startswith("2 families of tests, 9 contrasts") and "about 10 %" in text  # 1 - 0.95**2 = 0.0975
    assert note(make.grid(("magnitude", "random"), range(6))) == ""


def test_claims_of_one_checkpoint_say_so(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), range(6), (0.5,))
    assert checkpoint_condition(gather_results("x", records)) == ""
    given = [r.model_copy(update={"protocol": r.protocol | {"weights": "resnet20.th 0a1b"}}) for r in records]
    condition = checkpoint_condition(gather_results("x", given))
    assert condition.startswith("All seeds of mnist x lenet5 start from one checkpoint")
    tables = make.tables(gather_results("x", given))
    assert condition in make.text(verdicts_section(tables["differences"], tables["areas"], False, condition))
    assert condition in make.text(margins_section(tables["margins"], tables["smallest_keeps"], False, condition))


def test_the_section(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "taylor"), range(10)))
    section = verdicts_section(differences_table(results), areas_table(results), demonstration=False)
    lists: list[Any] = [block for block in section.blocks if isinstance(block, Items)]
    assert [len(block.lines) for block in lists] == [2, 1]  # two keeps, one curve
    assert "keep" not in lists[1].lines[0]
    silent = verdicts_section(differences_table(results), areas_table(results), demonstration=True)
    assert next(block.text for block in silent.blocks).startswith("Nothing: this is a demonstration")  # type: ignore[union-attr]
