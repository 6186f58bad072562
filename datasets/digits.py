"""The handwritten digits that come with scikit-learn; nothing is downloaded."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from prunebench import Dataset, Loaded, Pictures, Source, histogram, moments, split_test

TEST = 360  # a fifth, since scikit-learn has no test split; all seeds share these test pictures


def digits(source: Source) -> Loaded:
    """Read 1,437 training and 360 test digits, (1, 8, 8), 17 grey levels spread over 0..255. `source` is not used."""
    table = torch.from_numpy(_table())
    images = table[:, :-1].mul(255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)
    train, test = split_test(Pictures(images, table[:, -1].long()), TEST)
    mean, std = moments(histogram(train.images))
    return Loaded(train, test, tuple(map(str, range(10))), mean, std)


def _table() -> NDArray[np.float64]:
    """Read the digits, (pictures, 65): 64 grey levels from 0 to 16, and the label.

    Only the file is read where it is in its place: the import of scikit-learn takes longer than all the rest.
    """
    package = find_spec("sklearn")
    path = Path(package.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if package else Path()
    if path.is_file():
        return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.column_stack([data.data, data.target])


DATASET = Dataset(
    digits,
    augment=("shift",),  # no flips: a mirrored digit is another sign or none
    licence="CC BY 4.0 (UCI Machine Learning Repository); scikit-learn ships the test part of the original",
    citation="""@misc{alpaydin1998optical,
  title={Optical Recognition of Handwritten Digits},
  author={Alpaydin, E. and Kaynak, C.},
  howpublished={UCI Machine Learning Repository}, year={1998}, doi={10.24432/C50P49}}""",
    source="sklearn.datasets.load_digits",
)
