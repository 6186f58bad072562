import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.seeds_and_pictures import crossed_interval


def random_effects(rng: np.random.Generator, seeds: int, pictures: int, sd: tuple[float, float, float]) -> np.ndarray:
    by_seed, by_picture, both = sd
    x = by_seed * rng.standard_normal((seeds, 1)) + by_picture * rng.standard_normal((1, pictures))
    return x + both * rng.standard_normal((seeds, pictures))


def test_by_hand() -> None:
    # seeds' means .5, .75, pictures' 0, .5, 1, 1, mean .625; sums of squares 1/8, 11/8, rest 3/8 on 1, 3, 3 degrees
    found = crossed_interval(np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]]))
    squares = np.array([1 / 8, 11 / 24, 1 / 8])
    variance = (squares[0] + squares[1] - squares[2]) / 8
    freedom = (8 * variance) ** 2 / (squares**2 / np.array([1, 3, 3])).sum()
    half = max(stats.t.ppf(0.975, freedom) * variance**0.5, stats.t.ppf(0.975, 1) * (squares[0] / 8) ** 0.5)
    assert found.mean == 0.625
    assert (found.low, found.high) == (pytest.approx(0.625 - half), pytest.approx(0.625 + half))
    assert found.pictures_share == pytest.approx((squares[1] - squares[2]) / 8 / variance)


def test_its_variance_is_that_of_the_drawn_crossed_bootstrap() -> None:
    rng = np.random.default_rng(0)
    seeds, pictures, draws = 12, 150, 20_000
    x = random_effects(rng, seeds, pictures, (0.1, 1.0, 2.0))
    means = np.empty(draws)
    for i in range(draws):
        chosen = x[rng.integers(seeds, size=seeds)]
        means[i] = chosen[:, rng.integers(pictures, size=pictures)].mean()
    a, b = x.mean(axis=1) - x.mean(), x.mean(axis=0) - x.mean()
    e = x - x.mean() - a[:, None] - b[None, :]
    biased = (a @ a) / seeds**2 + (b @ b) / pictures**2 + (e**2).sum() / (seeds * pictures) ** 2
    assert means.var() == pytest.approx(biased, rel=0.03)  # Owen's closed form of what is drawn
    unbiased = (a @ a) / seeds / (seeds - 1) + (b @ b) / pictures / (pictures - 1)
    unbiased -= (e**2).sum() / (seeds * (seeds - 1) * pictures * (pictures - 1))
    found = crossed_interval(x)
    assert found.high is not None
    assert found.low is not None
    squares = np.array([a @ a * pictures / (seeds - 1), b @ b * seeds / (pictures - 1)])
    rest = (e**2).sum() / ((seeds - 1) * (pictures - 1))
    freedom = (squares.sum() - rest) ** 2 / (
        squares[0] ** 2 / (seeds - 1) + squares[1] ** 2 / (pictures - 1) + rest**2 / ((seeds - 1) * (pictures - 1))
    )
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, freedom) * unbiased**0.5)


@pytest.mark.parametrize("sd", [(0.02, 0.3, 0.5), (0.1, 0.3, 0.5), (0.0, 0.0, 0.5)])
def test_it_covers_the_truth(sd: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(1_000):
        found = crossed_interval(random_effects(rng, 5, 200, sd))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
    assert held / 1_000 >= 0.93  # on the safe side where nothing but the noise of single pictures is there


def test_it_is_never_narrower_than_the_seeds_own_interval() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        x = random_effects(rng, 3, 100, (0.02, 0.1, 0.5))
        own = stats.ttest_1samp(x.mean(axis=1), 0).confidence_interval()
        found = crossed_interval(x)
        assert found.low is not None and found.low <= own.low + 1e-12
        assert found.high is not None and found.high >= own.high - 1e-12


def test_one_seed_knows_the_pictures_only() -> None:
    x = np.random.default_rng(2).standard_normal((1, 30))
    expected = stats.ttest_1samp(x[0], 0).confidence_interval()
    found = crossed_interval(x)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.pictures_share == 1.0


def test_equal_values_and_one_picture() -> None:
    equal = crossed_interval(np.ones((3, 4)))
    assert (equal.low, equal.mean, equal.high) == (1.0, 1.0, 1.0)
    assert crossed_interval(np.ones((3, 1))).low is None
    for wrong in (np.ones(3), np.empty((0, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match="finite"):
            crossed_interval(wrong)
