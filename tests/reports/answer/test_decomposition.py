from types import SimpleNamespace

import pandas as pd

from prunebench.reports.analysis.crossed import crossed_designs
from prunebench.reports.analysis.decomposition import choices_table, decomposition_table
from prunebench.reports.answer.decomposition import decomposition_section
from prunebench.reports.document import Items, Table
from prunebench.reports.results import gather_results
from prunebench.reports.row_text import source_name


def test_the_section_names_the_largest_share_first_and_always_the_criterion(make: SimpleNamespace) -> None:
    level = {"magnitude": 0.5, "taylor": 0.501}
    records = [
        make.record(name, seed, ranking=ranking, accuracy=level[name] + (ranking == "global") * 0.1)
        for name in level
        for ranking in ("local", "global")
        for seed in (0, 1)
    ]
    designs = [*crossed_designs(gather_results("x", records))]
    section = decomposition_section(decomposition_table(designs), choices_table(designs))
    sentences, _, choices, shares = section.blocks
    assert isinstance(sentences, Items) and isinstance(choices, Table) and isinstance(shares, Table)
    assert sentences.lines == (
        "mnist x lenet5, keep 0.5 MACs: of the variance of the accuracy, ranking 100.0 %, criterion 0.0 %. "
        "Crossed: 2 x criterion, 2 x ranking and 2 seeds.",
    )
    assert [row[2] for row in choices.rows] == ["ranking = global", "ranking = local"]
    assert choices.rows[0][5:] == ("taylor", "0.10 (all equal)", "n/a")
    assert [row[2:4] for row in shares.rows] == [
        ("criterion", "2"),
        ("ranking", "2"),
        ("criterion x ranking", "n/a"),
        ("seed", "n/a"),
        ("residual", "n/a"),
    ]


def test_a_report_without_a_crossed_design_says_nothing(make: SimpleNamespace) -> None:
    section = decomposition_section(decomposition_table([]), pd.DataFrame())
    assert section.why_empty and not section.blocks


def test_options_keep_their_names(make: SimpleNamespace) -> None:
    assert source_name("repair") == "repair"
    assert source_name("finetune_epochs, rung x repair") == "fine-tuning, --rung x repair"
