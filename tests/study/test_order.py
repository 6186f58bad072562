"""Facts do not depend on the order of cells, nor on what a process computed before."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
CRITERIA, KEEPS = ("magnitude", "l1", "obd", "shuffle:magnitude", "scratch:magnitude"), ("0.7", "0.5")


@pytest.mark.parametrize("draw", [0, 1])
def test_cells_in_random_order_have_the_same_facts(
    tiny: Make, computing: Callable[..., Any], tmp_path: Path, draw: int
) -> None:
    """Each cell is a run of its own into one folder. So stages that cells share are computed for another one first."""
    whole = computing(tiny(tmp_path / "whole", criteria=CRITERIA, keep=",".join(KEEPS)))
    cells = [(criterion, keep) for criterion in CRITERIA for keep in KEEPS]
    random.Random(draw).shuffle(cells)
    trained = []
    for criterion, keep in cells:
        found = computing(tiny(tmp_path / "one by one", criteria=criterion, keep=keep))
        trained += found.trained
        (record,) = found.records.values()
        assert record.facts() == whole.records[criterion, float(keep)].facts()
    assert sorted(trained) == sorted(whole.trained)
