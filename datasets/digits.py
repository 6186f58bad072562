"""The handwritten digits that come with scikit-learn; nothing is downloaded."""

import torch

from prunebench import Dataset, Loaded, Pictures, Source, histogram, moments, split_test

TEST = 360  # a fifth, since scikit-learn has no test split; all seeds share these test pictures


def digits(source: Source) -> Loaded:
    """Read 1,437 training and 360 test digits, (1, 8, 8), 17 grey levels spread over 0..255. `source` is not used."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy(data.images).mul(255 / 16).round().to(torch.uint8).unsqueeze(1)
    train, test = split_test(Pictures(images, torch.from_numpy(data.target).long()), TEST)
    mean, std = moments(histogram(train.images))
    return Loaded(train, test, tuple(str(name) for name in data.target_names), mean, std)


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
