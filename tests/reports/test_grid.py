import pandas as pd

from prunebench.reports.grid import GROUP, missing_cells


def test_missing_cells_are_those_that_others_of_the_ranking_have() -> None:
    rows = [("t", "local", "macs", k, c, s) for k in (0.5, 0.25) for c in ("a", "b") for s in (0, 1, 2)]
    rows += [("t", "global", "macs", 0.5, "a", 0)]
    gone = {("t", "local", "macs", 0.25, "b", 1), ("t", "local", "macs", 0.25, "b", 2)}
    frame = pd.DataFrame([row for row in rows if row not in gone], columns=[*GROUP, "seed"])
    assert missing_cells(frame) == [("t", "local", "macs", 0.25, "b", (1, 2))]
