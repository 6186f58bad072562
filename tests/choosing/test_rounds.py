"""Races with made-up accuracies, worked by hand."""

from collections.abc import Mapping, Sequence

import pytest

from prunebench.choosing.rounds import Measure, most_rounds, run_race, spread
from prunebench.seeding import RACE_SEEDS

# eight criteria, best first by their true accuracy
TRUTH = {name: 0.9 - 0.01 * place for place, name in enumerate("abcdefgh")}


def measuring(truth: Mapping[str, float], asked: list[tuple[str, tuple[int, ...]]], shift: float = 0.0) -> Measure:
    """Give the truth plus what a seed gives all criteria, and a shift that alternates by criterion and seed."""

    def measure(names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[float | None]]:
        asked.append(("".join(names), tuple(seeds)))
        places = {name: place for place, name in enumerate(truth)}
        return {
            name: [truth[name] + 0.05 * (seed % 3) + shift * (-1) ** (places[name] + seed) for seed in seeds]
            for name in names
        }

    return measure


def test_half_then_a_quarter_then_three() -> None:
    truth = {f"c{n:02}": 0.9 - 0.001 * n for n in range(24)}
    asked: list[tuple[str, tuple[int, ...]]] = []
    race = run_race(list(truth), measuring(truth, asked))
    assert [len(names) // 3 for names, _ in asked] == [24, 12, 6]
    assert [seeds for _, seeds in asked] == [(2000, 2001), (2002, 2003), (2004, 2005)]
    assert race.finalists == ("c00", "c01", "c02") and race.spread == 0.0 and not race.wide
    assert race.rounds[0].dropped == tuple(f"c{n:02}" for n in range(12, 24))
    assert sum(len(names) // 3 * len(seeds) for names, seeds in asked) == 84


def test_a_wide_spread_adds_a_seed_to_the_first_round_and_skips_the_quarter() -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    race = run_race(list(TRUTH), measuring(TRUTH, asked, shift=0.005))
    # residuals are .005 in all 16 cells: sqrt(2 * 16 * .005^2 / (7 * 1)) = .01069
    assert race.spread == pytest.approx(0.01069, abs=1e-5) and race.wide
    assert asked == [("abcdefgh", (2000, 2001)), ("abcdefgh", (2002,)), ("abcd", (2003, 2004, 2005))]
    assert race.rounds[0].seeds == (2000, 2001, 2002) and race.rounds[0].dropped == ("e", "f", "g", "h")
    # mean of a: .9 + .05 * (2 + 0 + 1 + 2 + 0 + 1) / 6 + 0 = .95
    assert race.rounds[1].means["a"] == pytest.approx(0.95) and race.finalists == ("a", "b", "c")


def test_given_seeds_are_kept_whatever_the_spread() -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    run_race(list(TRUTH), measuring(TRUTH, asked, shift=0.005), seeds=2)
    assert asked == [("abcdefgh", (2000, 2001)), ("abcd", (2002, 2003))]


def test_a_mean_is_over_all_seeds_so_far() -> None:
    values = {"a": [0.5, 0.5, 0.9, 0.9], "b": [0.8, 0.8, 0.6, 0.4], "c": [0.7] * 4, "d": [0.65] * 4}
    values |= {"e": [0.1] * 4, "f": [0.2] * 4, "g": [0.3] * 4, "h": [0.4] * 4}

    def measure(names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[float | None]]:
        return {name: [values[name][seed - RACE_SEEDS] for seed in seeds] for name in names}

    race = run_race(list(values), measure, seeds=2)
    assert race.rounds[0].means["b"] == pytest.approx(0.8) and race.rounds[1].means["b"] == pytest.approx(0.65)
    assert race.finalists == ("a", "c", "b")  # a .7 and c .7: in the order of the field; b .65 before d .65
    assert race.rounds[1].dropped == ("d",)


def test_a_failed_criterion_leaves_and_no_round_is_run_for_three() -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    whole = measuring(TRUTH, asked)

    def measure(names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[float | None]]:
        found = {name: list(values) for name, values in whole(names, seeds).items()}
        return {name: [None, *values[1:]] if name in "abcde" else values for name, values in found.items()}

    race = run_race(list(TRUTH), measure)
    assert race.finalists == ("f", "g", "h") and len(asked) == 1
    assert race.rounds[0].failed == tuple("abcde") and race.rounds[0].dropped == ()


@pytest.mark.parametrize("field", [[], ["a"], ["a", "b", "c"]])
def test_three_or_fewer_do_not_race(field: list[str]) -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []
    race = run_race(field, measuring(TRUTH, asked))
    assert (race.finalists, race.rounds, asked) == (tuple(field), (), [])


def test_spread_is_that_of_a_difference() -> None:
    # differences a - b: .1, .3; their standard deviation is .2 / sqrt(2) = .1414
    assert spread({"a": [0.6, 0.7], "b": [0.5, 0.4]}) == pytest.approx(0.141421, abs=1e-6)
    assert spread({"a": [0.6]}) is None and spread({}) is None and spread({"a": [0.6], "b": [0.5]}) is None


@pytest.mark.parametrize(("field", "most"), [(24, 108), (8, 36), (4, 12), (5, 15), (7, 33)])
def test_the_most_that_a_race_takes(field: int, most: int) -> None:
    assert sum(criteria * seeds for criteria, seeds in most_rounds(field)) == most
