from types import SimpleNamespace
from typing import Any

import pandas as pd

from prunebench.reports.analysis.curves import areas_table
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.document import Items
from prunebench.reports.results import gather_results
from prunebench.reports.sections.verdicts import too_few_seeds_notes, verdict_sentences, verdicts_section


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
    assert text.startswith(where + "better: `taylor` +1.45 [+1.23, +1.67] (p = 0.0059)")
    assert "; worse: `obd` -1.45 [-1.67, -1.23] (p = 0.0059)" in text
    assert "; not told apart: `l1`; the largest difference: `l1` +0.04 [" in text
    assert "seeds would tell it, were it true." in text


def test_five_seeds_cannot_decide_and_say_how_many_can(make: SimpleNamespace) -> None:
    gaps = {"taylor": (0.01, 0.011, 0.012, 0.01, 0.011), "obd": (0.0, 0.001, 0.0, 0.001, 0.0)}
    text = said(make, gaps)
    # two contrasts: 2 * 2**-4 = .125 at best; 2 * 2**-6 is the first below .05
    (limit,) = too_few_seeds_notes(table(make, gaps))
    assert limit.startswith("5 seeds cannot decide a family of 2 contrasts")
    assert "after correction is 0.12. 7 seeds are the fewest that can." in limit
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


def test_the_section(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "taylor"), range(10)))
    section = verdicts_section(differences_table(results), areas_table(results), demonstration=False)
    lists: list[Any] = [block for block in section.blocks if isinstance(block, Items)]
    assert [len(block.lines) for block in lists] == [2, 1]  # two keeps, one curve
    assert "keep" not in lists[1].lines[0]
    silent = verdicts_section(differences_table(results), areas_table(results), demonstration=True)
    assert next(block.text for block in silent.blocks).startswith("Nothing: this is a demonstration")  # type: ignore[union-attr]
