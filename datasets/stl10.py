"""STL-10 (Coates, Lee, Ng, AISTATS 2011), its labelled pictures."""

from prunebench import Dataset, Loaded, Source
from prunebench.datasets._torchvision import fetch, pictures

MEAN, STD = (0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713)


def stl10(source: Source) -> Loaded:
    """Read 5,000 training and 8,000 test pictures of ten classes, (3, 96, 96)."""
    train, test = fetch("STL10", source, "stl10_binary", {"split": "train"}, {"split": "test"})
    splits = [pictures(part.data, part.labels) for part in (train, test)]
    return Loaded(splits[0], splits[1], tuple(train.classes), MEAN, STD)


DATASET = Dataset(
    stl10,
    augment=("crop", "flip"),  # 12 pixels of padding and flips, as DeVries and Taylor (arXiv 1708.04552, 2017)
    licence="none stated; pictures from ImageNet, under its terms",
    citation="""@inproceedings{coates2011analysis,
  title={An Analysis of Single-Layer Networks in Unsupervised Feature Learning},
  author={Coates, Adam and Lee, Honglak and Ng, Andrew Y.},
  booktitle={AISTATS}, year={2011}}""",
    source="https://cs.stanford.edu/~acoates/stl10/, by torchvision",
)
