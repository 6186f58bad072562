"""Searches over made-up curves, held against a scan of all keeps."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from prunebench.choosing.search import KEEPS, Measure, run_search, worst_paths

Curves = Mapping[str, Mapping[float, float | None]]


def measuring(curves: Curves, asked: list[tuple[tuple[str, ...], float, tuple[int, ...]]]) -> Measure:
    def measure(names: Sequence[str], keep: float, seeds: Sequence[int]) -> dict[str, list[float | None]]:
        asked.append((tuple(names), keep, tuple(seeds)))
        return {name: [curves[name][keep]] * len(seeds) for name in names}

    return measure


def falling(rng: np.random.Generator, spread: float = 0.0) -> dict[float, float]:
    """Draw an accuracy that falls with the keep."""
    values = 0.95 - np.cumsum(rng.exponential(0.01 + spread * rng.random(), len(KEEPS)))
    return dict(zip(KEEPS, values.tolist(), strict=True))


def scanned(curves: Curves, bound: float) -> tuple[str | None, float | None]:
    """Look at every keep of every criterion."""
    at = [(keep, -(value or 0), name) for name, curve in curves.items() for keep, value in curve.items()]
    reached = [one for one in at if -one[1] >= bound]
    return (min(reached)[2], min(reached)[0]) if reached else (None, None)


@pytest.mark.parametrize("seed", range(40))
def test_bisection_finds_what_a_scan_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bound = float(rng.uniform(0.5, 0.96))
    three: Curves = {name: falling(rng, 0.05) for name in "abc"}
    curve = falling(rng)
    parallel: Curves = {
        name: {keep: one - 0.003 * place for keep, one in curve.items()} for place, name in enumerate("hgfedcba")
    }
    for curves in (three, parallel):
        asked: list[tuple[tuple[str, ...], float, tuple[int, ...]]] = []
        found = run_search(list(curves), KEEPS, bound, measuring(curves, asked))
        assert (found.criterion, found.keep) == scanned(curves, bound)
        assert len(asked) <= 5 and len({keep for _, keep, _ in asked}) == len(asked)


def test_the_better_half_stays_and_only_what_reaches_the_bound() -> None:
    at = dict(zip("abcdefgh", (0.94, 0.93, 0.92, 0.91, 0.9, 0.89, 0.88, 0.87), strict=True))
    curves = {name: dict.fromkeys((0.9, 0.7, 0.5), value) for name, value in at.items()}
    asked: list[tuple[tuple[str, ...], float, tuple[int, ...]]] = []
    assert run_search([*at], (0.9, 0.7, 0.5), 0.95, measuring(curves, asked)).criterion is None
    assert asked == [(tuple("abcdefgh"), 0.7, (2000, 2001)), (tuple("abcd"), 0.9, (2000, 2001))]
    asked.clear()
    found = run_search([*at], (0.9, 0.7, 0.5), 0.925, measuring(curves, asked))
    assert asked[1] == (("a", "b"), 0.5, (2000, 2001, 2002, 2003)) and (found.criterion, found.keep) == ("a", 0.5)


def test_a_mean_on_the_bound_reaches_it() -> None:
    found = run_search(["a"], (0.5,), 0.3, measuring({"a": {0.5: 0.1 + 0.2}}, []))
    assert found.keep == 0.5


def test_a_criterion_that_fails_leaves() -> None:
    curves: Curves = {"a": {0.9: 0.9, 0.7: None, 0.5: 0.9}, "b": {0.9: 0.8, 0.7: 0.8, 0.5: 0.8}}
    asked: list[tuple[tuple[str, ...], float, tuple[int, ...]]] = []
    found = run_search(["a", "b"], (0.9, 0.7, 0.5), 0.75, measuring(curves, asked))
    assert found.steps[0].failed == ("a",) and found.criterion == "b" and asked[1][0] == ("b",)
    nothing = run_search(["a"], (0.9, 0.7, 0.5), 0.75, measuring(curves, []))
    assert nothing.steps[0].means == {} and nothing.keep is None and nothing.candidates == ()


@pytest.mark.parametrize(
    ("keep", "candidates"),
    [(0.95, (0.95, 0.9, 0.85)), (0.5, (0.7, 0.6, 0.55, 0.5, 0.45, 0.4)), (0.01, (0.05, 0.03, 0.02, 0.01))],
)
def test_keeps_on_each_side_are_confirmed(keep: float, candidates: tuple[float, ...]) -> None:
    curve = {"a": {one: 0.9 if one >= keep else 0.1 for one in KEEPS}}
    assert run_search(["a"], KEEPS, 0.5, measuring(curve, [])).candidates == candidates


@pytest.mark.parametrize("criteria", [1, 3, 8, 30])
def test_no_search_takes_more_than_its_worst_paths(criteria: int) -> None:
    paths = {tuple(keep for keep, _, _ in path): path for path in worst_paths(KEEPS, criteria)}
    for least in (*KEEPS, 2.0):
        names = [str(number) for number in range(criteria)]
        curves = {name: {keep: 0.9 if keep >= least else 0.1 for keep in KEEPS} for name in names}
        asked: list[tuple[tuple[str, ...], float, tuple[int, ...]]] = []
        run_search(names, KEEPS, 0.5, measuring(curves, asked))
        assert [(keep, len(some), len(seeds)) for some, keep, seeds in asked] == paths[
            tuple(keep for _, keep, _ in asked)
        ]
