from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prunebench.reports.analysis.across_tasks import AcrossTasks
from prunebench.reports.figures.drawing import Drawing
from prunebench.reports.figures.ranks import _bars, ranks_drawing
from prunebench.reports.statistics.ranks import cliques, critical_difference, friedman_test

Rows = Callable[..., dict[str, dict[str, Any]]]


def entry(criteria: int, tasks: int = 8) -> AcrossTasks:
    names = ["magnitude", *(f"method{i}" for i in range(criteria - 1))]
    noise = np.random.default_rng(0).standard_normal((tasks, criteria))
    scores = pd.DataFrame(np.arange(criteria)[::-1] + 0.7 * noise, columns=names)
    test, critical = friedman_test(scores.to_numpy()), critical_difference(criteria, tasks)
    groups = tuple(tuple(names[i] for i in group) for group in cliques(test.ranks, critical))
    return AcrossTasks("local", "macs", 0.5, scores, test, critical, groups)


def drawn(one: AcrossTasks) -> Drawing:
    drawing = ranks_drawing([one])
    assert drawing is not None
    return drawing


def test_marks_stand_at_the_mean_ranks_and_tell_their_group(rows_of: Rows) -> None:
    one = entry(5)
    rows = rows_of(drawn(one))
    assert sorted(row["x"] for row in rows.values()) == pytest.approx(sorted(one.ranks))
    assert all("undecided against" in words or "different from all others" in words for words in rows)


@pytest.mark.parametrize("criteria", [3, 7, 34])
def test_names_do_not_touch(criteria: int) -> None:
    layers = drawn(entry(criteria)).charts[0][1]["layer"]
    sides = [one["data"]["values"] for one in layers if one["mark"]["type"] == "text"][-2:]
    assert sum(map(len, sides)) == criteria
    for side in sides:
        places = sorted(row["py"] for row in side)
        assert np.diff(places).min(initial=16) >= 12


def test_bars_on_one_level_do_not_touch() -> None:
    bars = _bars(entry(12), 10.0)
    assert bars
    for i, a in enumerate(bars):
        assert not any(a["level"] == b["level"] and a["px"] <= b["px2"] and b["px"] <= a["px2"] for b in bars[:i])


def test_nothing_was_tested() -> None:
    assert ranks_drawing([]) is None
    assert ranks_drawing([AcrossTasks("local", "macs", 0.5, pd.DataFrame({"a": [1.0], "b": [2.0]}))]) is None
