from types import SimpleNamespace

import pandas as pd

from prunebench.reports.analysis.answers import find_answers
from prunebench.reports.analysis.crossed import crossed_designs
from prunebench.reports.analysis.decomposition import choices_table, decomposition_table
from prunebench.reports.analysis.effects import effects_table
from prunebench.reports.answer.decomposition import decomposition_section
from prunebench.reports.answer.headline import headline_section
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
    section = decomposition_section(decomposition_table(designs), choices_table(designs), effects_table(designs))
    sentences, _, changes, _, choices, effects, shares = section.blocks
    assert isinstance(sentences, Items) and isinstance(choices, Table) and isinstance(shares, Table)
    assert sentences.lines == (
        "mnist x lenet5, keep 0.5 MACs: of the variance of the accuracy, ranking 100.0 %, criterion 0.0 %. "
        "Crossed: 2 × criterion, 2 × ranking and 2 seeds.",
    )
    assert isinstance(changes, Items) and isinstance(effects, Table)
    assert changes.lines == (
        "mnist x lenet5, keep 0.5 MACs: ranking global instead of local changes the accuracy by +10.00 (all 2 equal). "
        "In points, mean of 2 criteria, paired by seed (2 seeds).",
    )
    assert [row[2:] for row in effects.rows] == [
        ("ranking global instead of local", "n/a", name, "2", "+10.00 (all 2 equal)")
        for name in ("mean of all", "magnitude", "taylor")
    ]
    assert [row[2] for row in choices.rows] == ["ranking = local", "ranking = global"]
    assert choices.rows[0][5:] == ("taylor", "0.10 (all equal)", "n/a")
    assert [row[2:4] for row in shares.rows] == [
        ("criterion", "2"),
        ("ranking", "2"),
        ("criterion × ranking", "n/a"),
        ("seed", "n/a"),
        ("residual", "n/a"),
    ]


def test_a_report_without_a_crossed_design_says_nothing(make: SimpleNamespace) -> None:
    section = decomposition_section(decomposition_table([]), pd.DataFrame(), effects_table([]))
    assert section.why_empty and not section.blocks


def test_options_keep_their_names(make: SimpleNamespace) -> None:
    assert source_name("repair") == "repair"
    assert source_name("finetune_epochs, rung x repair") == "fine-tuning, --rung × repair"


def test_the_headline_says_what_decides_among_several_protocols(make: SimpleNamespace) -> None:
    records = [
        make.record(name, seed, accuracy=0.5 + epochs / 100, key=f"{name}-{seed}-{epochs}", protocol=protocol)
        for name in ("magnitude", "taylor")
        for epochs in (0, 10)
        for seed in (0, 1)
        for protocol in [{"finetune_epochs": epochs, "ranking": "local"}]
    ]
    results = gather_results("x", records)
    tables = make.tables(results)
    answers = find_answers(tables["summary"], tables["differences"])
    first = headline_section(results, answers, tables, "").blocks[0]
    assert isinstance(first, Items)
    assert first.lines[0].startswith("mnist x lenet5 was run under 2 protocols")
    assert "of the variance of the accuracy, fine-tuning 100.0 %" in first.lines[1]
    assert "fine-tuning 10 instead of 0 changes the accuracy by +10.00 (all 2 equal)." in first.lines[2]
