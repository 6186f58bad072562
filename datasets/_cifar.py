"""Code shared by CIFAR-10 and CIFAR-100."""

from prunebench import Loaded, Moments, Source
from prunebench.datasets._torchvision import fetch, pictures

CITATION = """@techreport{krizhevsky2009learning,
  title={Learning Multiple Layers of Features from Tiny Images},
  author={Krizhevsky, Alex},
  institution={University of Toronto}, year={2009}}"""
LICENCE = "none stated; the authors ask for the citation"


def load(source: Source, name: str, files: str, moments: Moments) -> Loaded:
    """Read 50,000 training and 10,000 test pictures, (3, 32, 32), from ``ROOT/<files>``, torchvision's folder."""
    train, test = fetch(name, source, files, {"train": True}, {"train": False})
    splits = [pictures(part.data.transpose(0, 3, 1, 2), part.targets) for part in (train, test)]
    return Loaded(splits[0], splits[1], tuple(train.classes), *moments)
