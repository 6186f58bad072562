"""CIFAR-100 (Krizhevsky, technical report, 2009), with its hundred fine labels."""

from prunebench import Dataset, Loaded, Source
from prunebench.datasets import _cifar

MOMENTS = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


def cifar100(source: Source) -> Loaded:
    """Read 50,000 training and 10,000 test pictures of a hundred classes, (3, 32, 32)."""
    return _cifar.load(source, "CIFAR100", "cifar-100-python", MOMENTS)


DATASET = Dataset(
    cifar100,
    augment=("crop", "flip"),  # as for CIFAR-10
    licence=_cifar.LICENCE,
    citation=_cifar.CITATION,
    source="https://www.cs.toronto.edu/~kriz/cifar.html, by torchvision",
)
