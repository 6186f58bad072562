from types import SimpleNamespace

import pandas as pd
import pytest

from prunebench.reports.results import gather_results


@pytest.fixture(scope="session")
def tables(make: SimpleNamespace) -> dict[str, pd.DataFrame]:
    """All tables of criteria and controls in two rankings at six seeds."""
    names = ("magnitude", "taylor", "l1", "random", "dense_continued", "scratch:magnitude")
    records = make.grid(names, range(6)) + make.grid(("taylor",), range(6), ranking="global")
    made: dict[str, pd.DataFrame] = make.tables(gather_results("x", records))
    return made
