from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from prunebench.records.record import Record
from prunebench.reports.analysis.across_tasks import aggregates_table, compare_across_tasks, ranks_table, wilcoxon_table
from prunebench.reports.results import Results, gather_results
from prunebench.reports.statistics.multiplicity import holm

METHODS = ("magnitude", "taylor", "obd")


def record(make: SimpleNamespace, task: int, criterion: str, seed: int, accuracy: float, **changes: Any) -> Record:
    made: Record = make.record(criterion, seed, accuracy=accuracy, **changes)
    cell = made.cell.model_copy(update={"dataset": f"data{task}"})
    return made.model_copy(update={"cell": cell, "key": f"{task}-{made.key}"})


def results(make: SimpleNamespace, scores: np.ndarray, seeds: int = 2) -> Results:
    """scores: tasks x methods, means over seeds."""
    records = [
        record(make, task, criterion, seed, scores[task, column] + 0.001 * (seed - (seeds - 1) / 2))
        for task in range(len(scores))
        for column, criterion in enumerate(METHODS)
        for seed in range(seeds)
    ]
    return gather_results("x", records)


def test_tests_over_six_tasks_are_scipys(make: SimpleNamespace) -> None:
    scores = 0.9 + 0.05 * np.random.default_rng(0).standard_normal((8, 3)) + [0, 0.02, 0.06]
    (entry,) = compare_across_tasks(results(make, scores))
    assert entry.friedman is not None
    assert entry.scores.loc["data3 x lenet5", list(METHODS)].to_numpy() == pytest.approx(scores[3])
    expected = stats.friedmanchisquare(*scores.T)
    assert entry.friedman.chi_square == pytest.approx(expected.statistic)
    assert entry.ranks[list(METHODS)].to_numpy() == pytest.approx(stats.rankdata(-scores, axis=1).mean(axis=0))
    table = wilcoxon_table([entry]).set_index("criterion")
    p = [stats.wilcoxon(scores[:, i], scores[:, 0]).pvalue for i in (1, 2)]
    assert [table.loc[name, "p"] for name in ("taylor", "obd")] == pytest.approx(p)
    assert [table.loc[name, "p_holm"] for name in ("taylor", "obd")] == pytest.approx(holm(p))
    assert ranks_table([entry])["critical"].iloc[0] == pytest.approx(entry.critical)


def test_fewer_tasks_have_ranks_but_no_test(make: SimpleNamespace) -> None:
    (entry,) = compare_across_tasks(results(make, np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.95]])))
    assert entry.friedman is None and entry.critical is None and entry.groups == ()
    assert not len(wilcoxon_table([entry]))
    ranks = ranks_table([entry]).set_index("criterion")["rank"]
    assert ranks.to_dict() == {"magnitude": 1.5, "taylor": 2.5, "obd": 2.0}


def test_one_task_and_what_is_incomplete(make: SimpleNamespace) -> None:
    assert compare_across_tasks(results(make, np.array([[0.9, 0.8, 0.7]]))) == []
    whole = results(make, np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]]))
    some = [r for r in whole.records if (r.cell.criterion, r.cell.dataset) != ("obd", "data1")]
    (entry,) = compare_across_tasks(gather_results("x", some))
    assert list(entry.scores.columns) == ["magnitude", "taylor"]


def test_a_second_protocol_is_no_second_task(make: SimpleNamespace) -> None:
    records = [record(make, 0, c, 0, 0.9) for c in METHODS]
    records += [r.model_copy(update={"key": f"other-{r.key}", "protocol": {"epochs": 3}}) for r in records] + [
        record(make, 1, c, 0, 0.9) for c in METHODS
    ]
    assert (
        compare_across_tasks(gather_results("x", records)) == []
    )  # data0 under two protocols, data1: one task is left


def test_interquartile_mean_of_the_change(make: SimpleNamespace) -> None:
    found = results(make, np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]]), seeds=4)
    table = aggregates_table(found, compare_across_tasks(found)).set_index("criterion")
    changes = [
        r.accuracy.finetuned - r.accuracy.dense for r in found.records if r.cell.criterion == "taylor" and r.accuracy
    ]
    assert table.loc["taylor", "change"] == pytest.approx(stats.trim_mean(changes, 0.25))
    assert (table.loc["taylor", "tasks"], table.loc["taylor", "n"]) == (2, 8)
    assert table.loc["taylor", "low"] < table.loc["taylor", "change"] < table.loc["taylor", "high"]


def test_controls_have_no_rank(make: SimpleNamespace) -> None:
    scores = 0.9 + 0.05 * np.random.default_rng(0).standard_normal((8, 3))
    whole = results(make, scores)
    controls = [
        record(make, t, c, s, a)
        for t in range(8)
        for c, a in (("random", 0.1), ("dense_continued", 0.999))
        for s in (0, 1)
    ]
    (alone,), (entry,) = (
        compare_across_tasks(whole),
        compare_across_tasks(gather_results("x", [*whole.records, *controls])),
    )
    assert entry.friedman == alone.friedman and set(entry.ranks.index) == set(METHODS)
    assert {"random", "dense_continued"} <= set(
        aggregates_table(gather_results("x", [*whole.records, *controls]), [entry])["criterion"]
    )


def test_the_smallest_p_over_tasks(make: SimpleNamespace) -> None:
    scores = np.linspace(0.8, 0.9, 6)[:, None] + [0.0, 0.01, 0.02]
    (entry,) = compare_across_tasks(results(make, scores))
    assert wilcoxon_table([entry])["smallest_holm"].tolist() == [2 / 32, 2 / 32]
    assert wilcoxon_table([entry])["p_holm"].tolist() == [2 / 32, 2 / 32]
