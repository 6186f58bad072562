"""CIFAR-10 (Krizhevsky, technical report, 2009)."""

from prunebench import Dataset, Loaded, Source
from prunebench.datasets import _cifar

MOMENTS = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


def cifar10(source: Source) -> Loaded:
    """Read 50,000 training and 10,000 test pictures of ten classes, (3, 32, 32)."""
    return _cifar.load(source, "CIFAR10", "cifar-10-batches-py", MOMENTS)


DATASET = Dataset(
    cifar10,
    augment=("crop", "flip"),  # 4 pixels of padding and flips, as He et al. (CVPR 2016) and nearly all since
    licence=_cifar.LICENCE,
    citation=_cifar.CITATION,
    source="https://www.cs.toronto.edu/~kriz/cifar.html, by torchvision",
)
