"""A stratified split: index by index that of scikit-learn, whose import takes more than a second."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def stratified_split(labels: NDArray[np.int64], count: int) -> tuple[Indices, Indices]:
    """Split indices into those for training and `count` for testing, with equal shares of every class.

    This is scikit-learn's `train_test_split(test_size=count, stratify=labels, random_state=0)`. labels: (n,). Each
    class needs two members, and each part as many as there are classes.

    >>> train, test = stratified_split(np.array([0, 0, 0, 0, 1, 1]), 3)
    >>> sorted(train.tolist() + test.tolist()), sorted((test // 4).tolist())
    ([0, 1, 2, 3, 4, 5], [0, 0, 1])
    """
    draws = np.random.RandomState(0)  # as scikit-learn: results in earlier folders have this split
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(sizes)[:-1])
    trained = _shares(sizes, len(labels) - count, draws)
    tested = _shares(sizes - trained, count, draws)
    orders = [inside[draws.permutation(len(inside))] for inside in members]
    return (
        draws.permutation(np.concatenate([order[:n] for order, n in zip(orders, trained, strict=True)])),
        draws.permutation(
            np.concatenate([order[n : n + m] for order, n, m in zip(orders, trained, tested, strict=True)])
        ),
    )


def _shares(sizes: Indices, count: int, draws: np.random.RandomState) -> Indices:
    """Give each class its share of a count, rounded down, and the rest to the largest remainders; ties are drawn."""
    exact = sizes / sizes.sum() * count
    shares = np.floor(exact)
    left, remainders = int(count - shares.sum()), exact - shares
    for remainder in np.unique(remainders)[::-1]:
        if left:
            (tied,) = np.nonzero(remainders == remainder)
            chosen = draws.choice(tied, size=min(len(tied), left), replace=False)
            shares[chosen] += 1
            left -= len(chosen)
    whole: Indices = shares.astype(np.int64)
    return whole
