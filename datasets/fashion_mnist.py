"""Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv 1708.07747, 2017)."""

from pathlib import Path

from prunebench import Dataset, Loaded, Source
from prunebench.datasets import _mnist_like

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def fashion_mnist(source: Source) -> Loaded:
    """Read 60,000 training and 10,000 test pictures of clothes, (1, 28, 28); Debian's package is read in place."""
    hint = ", or run: apt-get install dataset-fashion-mnist"
    return _mnist_like.load(source, "FashionMNIST", CLASSES, moments=(0.2860, 0.3530), elsewhere=(DEBIAN,), hint=hint)


DATASET = Dataset(
    fashion_mnist,
    augment=("shift", "flip"),  # the usual augmentation (Zhong et al., AAAI 2020); clothes may be mirrored
    licence="MIT, Copyright (c) 2017 Zalando SE",
    citation="""@article{xiao2017fashion,
  title={Fashion-{MNIST}: a novel image dataset for benchmarking machine learning algorithms},
  author={Xiao, Han and Rasul, Kashif and Vollgraf, Roland},
  journal={arXiv preprint arXiv:1708.07747}, year={2017}}""",
    source="https://github.com/zalandoresearch/fashion-mnist",
)
