"""Units that are joined, against SciPy's connected components."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prunebench.pruning.grouping import _components, _sorted_pairs


@pytest.mark.parametrize("seed", range(20))
def test_components_and_their_order_are_scipys(seed: int) -> None:
    draws = np.random.default_rng(seed)
    count, rows = int(draws.integers(1, 60)), int(draws.integers(1, 90))
    one, keys = draws.integers(0, count, rows), draws.integers(0, 50, rows) * 1000
    graph = coo_array((np.ones(rows), (one, count + keys // 1000)), shape=(count + 50,) * 2)
    assert _components(one, keys, count).tolist() == connected_components(graph, directed=False)[1][:count].tolist()


def test_a_long_chain_is_one_component() -> None:
    links = np.arange(2000)
    one, keys = np.concatenate([links, links + 1]), np.concatenate([links, links])
    shuffled = np.random.default_rng(0).permutation(len(one))
    assert set(_components(one[shuffled], keys[shuffled], 2001).tolist()) == {0}


def test_rows_are_sorted_and_repeated_ones_dropped() -> None:
    for unit, position in (([0, 0, 1], [2, 2, 0]), ([1, 0], [0, 2])):
        owner, place = _sorted_pairs(np.array(unit), np.array(position))
        assert (owner.tolist(), place.tolist()) == ([0, 1], [2, 0])
