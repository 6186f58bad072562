"""The pictures as the Reg+OBD paper's code splits and normalises them, flaws included.

- The test pictures are a random tenth of the test split; so are the validation pictures, drawn apart: they overlap.
- Fashion-MNIST is normalised by 0.5 and 0.5 in training, by MNIST's 0.1307 and 0.3081 in testing.
- All training pictures are mirrored with probability one half, digits too.

The tenth of the training pictures that the paper uses is the protocol's `train_fraction`.
"""

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunebench import Dataset, Loaded, Pictures, Source
from prunebench.datasets import fashion_mnist as fashion, folder as folders, mnist as digits, stl10 as stl

Share = Annotated[float, Field(gt=0, le=1)]
SEED = 1  # of the published notebooks
HALF = (0.5, 0.5, 0.5)
DIGITS = (0.1307, 0.3081)


def mnist_2021(source: Source, *, share: Share = 0.1) -> Loaded:
    """MNIST. share: of the test split in the test pictures, and in the validation pictures."""
    return _validated_on_test(digits.mnist(source), share)


def fashion_mnist_2021(source: Source, *, share: Share = 0.1) -> Loaded:
    """Fashion-MNIST, normalised in two ways. share: as in `mnist_2021`."""
    loaded = _validated_on_test(fashion.fashion_mnist(source), share)
    train, test, validation = loaded.train, loaded.test, loaded.validation
    assert isinstance(train, Pictures) and isinstance(test, Pictures) and isinstance(validation, Pictures)
    return replace(
        loaded,
        train=_normalised(train, (0.5, 0.5)),
        test=_normalised(test, DIGITS),
        validation=_normalised(validation, DIGITS),
    )


def stl10_2021(source: Source, *, share: Share = 0.5) -> Loaded:
    """STL-10. share: as in `mnist_2021`."""
    return replace(_validated_on_test(stl.stl10(source), share), mean=HALF, std=HALF)


def folder_2021(source: Source, *, share: Share = 0.5, size: int = 0, channels: int = 0) -> Loaded:
    """Any folder of pictures with train/ and test/, in place of data that are not to be had; see `mnist_2021`."""
    return _validated_on_test(folders.folder(source, size=size, channels=channels), share)


def _validated_on_test(loaded: Loaded, share: float) -> Loaded:
    draws, count = torch.Generator().manual_seed(SEED), len(loaded.test)
    test, validation = (torch.randperm(count, generator=draws)[: round(share * count)] for _ in range(2))
    return replace(loaded, test=loaded.test[test], validation=loaded.test[validation])


def _normalised(pictures: Pictures, moments: tuple[float, float]) -> Pictures:
    """Give floats, which networks see as they are."""
    mean, std = moments
    images: Tensor = pictures.images.float().div_(255).sub_(mean).div_(std)
    return replace(pictures, images=images)


MNIST = replace(digits.DATASET, load=mnist_2021, name="mnist_2021", augment=("flip",))
FASHION = replace(fashion.DATASET, load=fashion_mnist_2021, name="fashion_mnist_2021", augment=("flip",))
STL10 = replace(stl.DATASET, load=stl10_2021, name="stl10_2021", augment=("flip",))
FOLDER = Dataset(folder_2021, augment=("flip",), takes_argument="PATH", licence="the licence of your pictures")
