"""COVID-19 radiography (Chowdhury et al., IEEE Access 2020), split as for sparse regularisation with OBD (2021)."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from prunebench import Dataset, Loaded, ReadOptions, Source, UserError, list_pictures, near_duplicates, read_pictures

CLASSES = ("COVID", "Normal")
SPLITS = ("train", "test", "val")
FOLDER = "COVID-Radiography"


def covid_radiography(
    source: Source,
    *,
    size: int = 0,
    channels: int = 0,
    memory: float = 4.0,
    twins: Literal["keep", "drop"] = "keep",
) -> Loaded:
    """Read X-ray pictures of lungs from ``ROOT/COVID-Radiography*/{train,val,test}/{COVID,Normal}``.

    The paper drew 1,000 training, 100 validation and 100 test pictures of each class. Patients may have several nearly
    equal pictures, and this draw puts some into two splits: the test accuracy is too good. A note says how many.

    Args:
        source: its root holds the folder.
        size: side in pixels, see ``folder``.
        channels: 3 for colour, as networks trained on ImageNet need it.
        memory: GiB of pixels that are held in memory.
        twins: ``drop`` leaves training pictures with a near-duplicate in test or validation out.

    Raises:
        UserError: files are missing, unreadable or do not fit together.
    """
    path = _find(source.root)
    train, *others = [list_pictures(path, split, CLASSES) for split in SPLITS]
    numbers, sentence = near_duplicates(train, *others)
    if twins == "drop":
        train = train[torch.tensor(sorted({*range(len(train))} - {*numbers.tolist()}))]
        sentence += "; left out"
    elif len(numbers):
        sentence += "; covid_radiography:twins=drop leaves them out"
    loaded = read_pictures([train, *others], CLASSES, ReadOptions("covid_radiography", size, channels, memory))
    enlarged = None if loaded.augment is None else ("resized_crop",)
    return replace(loaded, augment=enlarged, notes=(*loaded.notes, f"{path}: {sentence}"))


def _find(root: Path) -> Path:
    """Find the one folder in the data root whose name begins with that of the dataset, in any case."""
    inside = sorted(root.iterdir()) if root.is_dir() else []
    found = [path for path in inside if path.is_dir() and path.name.lower().startswith(FOLDER.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{root} has {' and '.join(path.name for path in found)}; keep one of them there")
    wanted = f"{root / FOLDER}/train/COVID, train/Normal, val/... and test/..."
    raise UserError(f"covid_radiography is not in {root}: put the pictures into {wanted}, or give --data-root DIR")


DATASET = Dataset(
    covid_radiography,
    augment=("crop",),  # no flips: a mirrored chest has its heart on the wrong side
    licence="of the many sources that the collection names; free for research",
    citation="""@article{chowdhury2020can,
  title={Can {AI} Help in Screening Viral and {COVID-19} Pneumonia?},
  author={Chowdhury, Muhammad E. H. and Rahman, Tawsifur and Khandakar, Amith and others},
  journal={IEEE Access}, volume={8}, pages={132665--132676}, year={2020}}""",
    source="https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database, split by hand",
)
