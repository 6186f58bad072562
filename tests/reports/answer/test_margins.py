from types import SimpleNamespace

import pandas as pd

from prunebench.records.record import Record
from prunebench.reports.answer.margins import margins_section
from prunebench.reports.document import Table
from prunebench.reports.results import gather_results


def test_without_loss_names_the_smallest_keep(make: SimpleNamespace, tables: dict[str, pd.DataFrame]) -> None:
    section = margins_section(tables["margins"], tables["smallest_keeps"], demonstration=False)
    held = tables["smallest_keeps"]
    row = held[(held["criterion"] == "magnitude") & (held["reference"] == "dense")].iloc[0]
    removed = f"{100 * (1 - row['params_kept']):.0f} % of the parameters removed"
    claims = next(block for block in section.blocks if isinstance(block, Table))
    assert claims.header == ("criterion", "beside the dense network", "beside `dense_continued`")
    cell = next(cells[1] for cells in claims.rows if cells[0] == "magnitude")
    assert cell.startswith(f"{row['smallest_keep']:g} ({removed}; ")
    silent = margins_section(tables["margins"], tables["smallest_keeps"], demonstration=True)
    assert not silent.blocks


def test_what_is_not_excluded_stands_beside_the_claim(make: SimpleNamespace) -> None:
    def kept(criterion: str) -> list[Record]:
        records = [make.record(criterion, s) for s in range(10)]
        scores = [r.accuracy.model_copy(update={"finetuned": r.accuracy.dense}) for r in records]
        return [r.model_copy(update={"accuracy": a}) for r, a in zip(records, scores, strict=True)]

    made = make.tables(gather_results("x", kept("taylor")))
    text = make.text(margins_section(made["margins"], made["smallest_keeps"], demonstration=False))
    assert "0 of 10 seeds lost more, up to 26 % of runs may)" in text  # 1 - .05**(1 / 10)
    assert "wrong with a probability of at most 2.5 %." in text
    made = make.tables(gather_results("x", kept("taylor") + kept("obd")))
    text = make.text(margins_section(made["margins"], made["smallest_keeps"], demonstration=False))
    assert "2 such claims hold together but for 5.0 %" in text


def test_nothing_to_show(make: SimpleNamespace) -> None:
    empty = make.tables(gather_results("x", []))
    section = margins_section(empty["margins"], empty["smallest_keeps"], demonstration=False)
    assert section.why_empty and not section.blocks
