"""The replay of `choose` against a full grid, on tables worked by hand and on records of a finished run."""

from typing import Any

import numpy as np
import pytest

from tests.conftest import load_script

script = load_script("docs/replay_choose.py")
NAMES = ("a", "b", "c", "d", "magnitude", "random")


def test_a_replay_races_on_validation_chooses_on_test_and_is_judged_on_held_out_seeds() -> None:
    validation, test = np.zeros((6, 5)), np.zeros((6, 5))
    validation[:, :2] = np.array([[0.9], [0.8], [0.7], [0.6], [0.99], [0.99]])  # d leaves the race
    test[:, 2:4] = np.array([[0.7], [0.75], [0.7], [0.9], [0.6], [0.95]])  # the full grid takes d, `choose` b
    test[:, 4] = [0.1, 0.82, 0.1, 0.85, 0.1, 0.1]
    found = script.replay(script.Scores("t", "0.5", NAMES, validation, test), [0, 1], [2, 3], [4])
    assert (found.chosen, found.full) == ("b", "d") and found.regret == pytest.approx(0.03)
    assert found.cost == 4 * 2 + 5 * 2 and found.full_cost == 6 * 2


def test_records_hold_what_a_replay_needs(computed: Any) -> None:
    tables = script.read_scores(computed.spec.results)
    assert [one.keeps for one in tables] == ["0.9", "0.7", "0.5", "0.3", "0.9, 0.7, 0.5, 0.3 (area)"]
    first = tables[0]
    record = computed.records["l1", 0.9]
    number = first.names.index("l1")
    assert first.test[number, 0] == record.accuracy.finetuned
    assert first.validation[number, 0] == record.curves[-1].validation
    with pytest.raises(SystemExit, match="a replay needs at least 3"):
        script.replay_all(first, 1, np.random.default_rng(0))


def test_the_simulation_loses_nothing_where_criteria_are_equal() -> None:
    rows = script.simulate(3)
    assert rows[-1][:4] == ["0", "0.4", "0.00", "0.00"] and all(int(row[4]) < int(row[5]) == 260 for row in rows)
