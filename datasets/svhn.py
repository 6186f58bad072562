"""SVHN, Street View House Numbers (Netzer et al., NIPS workshop 2011), the cropped digits."""

from prunebench import Dataset, Loaded, Source
from prunebench.datasets._torchvision import fetch, pictures

MEAN, STD = (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)
FILES = "train_32x32.mat and DIR/test_32x32.mat"


def svhn(source: Source) -> Loaded:
    """Read 73,257 training and 26,032 test digits of house numbers, (3, 32, 32), without the 531,131 `extra` ones."""
    train, test = fetch("SVHN", source, FILES, {"split": "train"}, {"split": "test"})
    splits = [pictures(part.data, part.labels) for part in (train, test)]
    return Loaded(splits[0], splits[1], tuple("0123456789"), MEAN, STD)


DATASET = Dataset(
    svhn,
    augment=(),  # usually none (Zagoruyko and Komodakis, BMVC 2016); a mirrored digit is another sign or none
    licence="for non-commercial use only",
    citation="""@inproceedings{netzer2011reading,
  title={Reading Digits in Natural Images with Unsupervised Feature Learning},
  author={Netzer, Yuval and Wang, Tao and Coates, Adam and Bissacco, Alessandro and Wu, Bo and Ng, Andrew Y.},
  booktitle={NIPS Workshop on Deep Learning and Unsupervised Feature Learning}, year={2011}}""",
    source="http://ufldl.stanford.edu/housenumbers/, by torchvision",
)
