"""MNIST (LeCun, Bottou, Bengio, Haffner, Proc. IEEE 1998)."""

from prunebench import Dataset, Loaded, Source
from prunebench.datasets import _mnist_like


def mnist(source: Source) -> Loaded:
    """Read 60,000 training and 10,000 test pictures of handwritten digits, (1, 28, 28)."""
    return _mnist_like.load(source, "MNIST", tuple("0123456789"), moments=(0.1307, 0.3081))


DATASET = Dataset(
    mnist,
    augment=("shift",),  # no flips: a mirrored digit is another sign or none
    licence="CC BY-SA 3.0, as stated by the copies in use; the original pages name no licence",
    citation="""@article{lecun1998gradient,
  title={Gradient-based learning applied to document recognition},
  author={LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal={Proceedings of the IEEE}, volume={86}, number={11}, pages={2278--2324}, year={1998}}""",
    source="http://yann.lecun.com/exdb/mnist/, by torchvision's mirrors",
)
