"""When a choice of units counts as unchanged: both thresholds decide."""

import pytest

from prunebench.records.sparse import ChoiceChange


@pytest.mark.parametrize(
    ("overlap", "by_chance", "unchanged"),
    [
        (0.95, 0.5, True),  # agreement 0.9
        (0.9, 0.5, True),  # agreement 0.8
        (0.92, 0.8, False),  # agreement 0.6: almost all units are removed, so that any two choices overlap
        (0.85, 0.1, False),  # agreement 0.83, but one of seven units is another
        (1.0, 1.0, True),  # whatever is chosen, all units are removed
    ],
)
def test_overlap_and_agreement_beyond_chance_decide(overlap: float, by_chance: float, unchanged: bool) -> None:
    assert ChoiceChange(overlap=overlap, by_chance=by_chance).unchanged == unchanged
