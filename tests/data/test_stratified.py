import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from prunebench.data.stratified import stratified_split


@pytest.mark.parametrize("seed", range(20))
def test_it_is_scikit_learns_split(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 9))
    sizes = rng.integers(2, 40, classes) if seed % 2 else np.full(classes, 17)  # equal sizes tie
    labels = rng.permutation(np.repeat(np.arange(classes), sizes))
    count = int(rng.integers(classes, len(labels) - classes + 1))
    found = stratified_split(labels, count)
    expected = train_test_split(np.arange(len(labels)), test_size=count, stratify=labels, random_state=0)
    assert [part.tolist() for part in found] == [part.tolist() for part in expected]
