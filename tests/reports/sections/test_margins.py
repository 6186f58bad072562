from types import SimpleNamespace

import pandas as pd

from prunebench.reports.results import gather_results
from prunebench.reports.sections.margins import margins_section


def test_without_loss_names_the_smallest_keep(make: SimpleNamespace, tables: dict[str, pd.DataFrame]) -> None:
    section = margins_section(tables["margins"], tables["smallest_keeps"], demonstration=False)
    held = tables["smallest_keeps"]
    row = held[(held["criterion"] == "magnitude") & (held["reference"] == "dense")].iloc[0]
    where = f"down to keep {row['smallest_keep']:g} ({100 * (1 - row['params_kept']):.0f} % of the parameters removed)"
    against = next(line for line in make.lines(section) if "local ranking, against the dense network before" in line)
    assert where in against and "`magnitude`" in against.partition(where)[2].partition(";")[0]
    silent = margins_section(tables["margins"], tables["smallest_keeps"], demonstration=True)
    assert not make.lines(silent)


def test_nothing_to_show(make: SimpleNamespace) -> None:
    empty = make.tables(gather_results("x", []))
    section = margins_section(empty["margins"], empty["smallest_keeps"], demonstration=False)
    assert section.why_empty and not section.blocks
