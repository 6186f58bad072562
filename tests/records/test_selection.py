from typing import Any

import pytest
from pydantic import ValidationError

from prunebench.records.selection import SelectionFacts, joined

DRAWN = {"error": 0.1, "within_error": 2, "otherwise": 1}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"by_lot": 6}, "by_lot: 6 units, but 5 were removed"),
        (DRAWN | {"within_error": 6}, "within_error: 6 units, but 5 were removed"),
        (DRAWN | {"otherwise": 6}, "otherwise: 6 units, but 5 were removed"),
        (DRAWN | {"error": -0.1}, "greater than or equal to 0"),
        ({"error": 0.1}, "give all three or none"),
        ({"constant": ("a", "b", "c")}, "3 groups are named"),
        ({"constant": ("a", "a")}, "2 groups are named"),
    ],
)
def test_facts_that_cannot_be_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SelectionFacts(groups=2, removed=5, **fields)


def test_cuts_are_joined() -> None:
    rung = SelectionFacts(groups=3, removed=5, constant=("a", "b"), by_lot=2, error=0.3, within_error=2, otherwise=1)
    last = SelectionFacts(groups=3, removed=2, constant=("b",), by_lot=1, error=0.1, within_error=1, otherwise=2)
    sum_of_both = {"removed": 7, "constant": ("a", "b"), "by_lot": 3, "error": 0.1, "within_error": 3, "otherwise": 3}
    assert joined([rung, last]) == SelectionFacts(groups=3, **sum_of_both)
    assert joined([]) is None
    silent = SelectionFacts(groups=3, removed=1)
    assert joined([silent, silent]) == SelectionFacts(groups=3, removed=2)
