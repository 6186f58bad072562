"""Code shared by MNIST and Fashion-MNIST: four IDX files, found or downloaded."""

from pathlib import Path

from prunebench import Loaded, Source, UserError
from prunebench.datasets._idx import find_idx, read_split


def load(
    source: Source,
    torchvision_class: str,
    classes: tuple[str, ...],
    *,
    moments: tuple[float, float],
    elsewhere: tuple[Path, ...] = (),
    hint: str = "",
) -> Loaded:
    """Read the four files in ``ROOT/<torchvision_class>/raw`` or in one of the folders `elsewhere`.

    moments: mean and standard deviation of the training pictures, scaled to [0, 1]. hint: another way to get the data.
    Raises `UserError` if the files are missing and `source.download` is not set, or if the download fails.
    """
    raw = source.root / torchvision_class / "raw"
    folders = (raw, *elsewhere)
    files = find_idx(folders)
    if files is None and source.download:
        _download(torchvision_class, source.root)
        files = find_idx(folders)
    if files is None:
        missing = f"{torchvision_class} is not in {raw}"
        raise UserError(f"{missing}: add --download, or give --data-root DIR with DIR/{torchvision_class}/raw{hint}")
    train, test = (read_split(files, split, len(classes)) for split in ("train", "t10k"))
    return Loaded(train, test, classes, mean=moments[:1], std=moments[1:])


def _download(torchvision_class: str, root: Path) -> None:
    import torchvision.datasets

    try:
        getattr(torchvision.datasets, torchvision_class)(str(root), download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        instead = f"try again, or give --data-root DIR with DIR/{torchvision_class}/raw"
        raise UserError(f"{torchvision_class} could not be downloaded to {root}: {reason}; {instead}") from None
