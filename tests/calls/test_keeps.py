from typing import Any

import pytest

from prunebench import UserError
from prunebench.calls.keeps import read_budget, read_keep
from prunebench.records.budget import Budget, Keep, parse_budget


def test_a_dictionary_or_a_text() -> None:
    assert read_budget({"macs": (0.25, 0.5)}, "keeps") == Budget("macs", (0.5, 0.25))
    assert read_keep({"weights": 0.1}, "keep") == read_keep("weights=0.1", "keep") == Keep("weights", 0.1)


def test_a_number_alone_is_a_fraction_of_the_macs_as_on_the_command_line() -> None:
    assert read_keep(0.5, "keep") == Keep("macs", 0.5) == parse_budget("0.5").keeps[0]
    assert read_budget([0.25, 0.5], "keeps") == parse_budget("0.5,0.25")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (True, "keep=True: a keep is a fraction of one of macs, params, units, weights; give"),
        ([], r"keep=\[\]: a keep is a fraction of one of macs"),
        (1.5, "--keep macs=1.5: 1.5 is outside"),
        ({"macs": []}, "fractions are numbers between 0 and 1"),
        ({"macs": "0.5"}, "fractions are numbers"),
        ({"flops": 0.5}, "unknown budget metric 'flops' in keep="),
        ({"macs": [0.5, 0.25]}, "a network has one keep, got 2"),
    ],
)
def test_what_is_no_keep_is_told(given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_keep(given, "keep")
