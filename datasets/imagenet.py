"""ImageNet-1k, ILSVRC 2012 (Russakovsky et al., IJCV 2015)."""

from pathlib import Path

from prunebench import (
    IMAGENET_MOMENTS,
    Dataset,
    Loaded,
    ReadOptions,
    Source,
    UserError,
    chosen_classes,
    common_classes,
    list_pictures,
    read_pictures,
)

ARCHIVES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")


def imagenet(source: Source, *, size: int = 224, classes: str = "", memory: float = 4.0) -> Loaded:
    """Read 1,281,167 training pictures and, as test split, the 50,000 public validation pictures, (3, size, size).

    The data lie in ``ROOT/imagenet``: the three archives, which torchvision checks and unpacks once, or ``train`` and
    ``val`` with one folder per class (WordNet numbers, `n01440764`). Labels are numbered as in the usual checkpoints.

    Args:
        source: where the data lie; nothing can be downloaded.
        size: side of the pictures. Evaluation takes the centre of a side of 8/7 size; training crops from there at
            random.
        classes: ``10`` for the first ten, ``n01440764/n01443537`` for these two.
        memory: GiB of pixels. Worker processes decode larger sets from their files; with 0, all sets.

    Raises:
        UserError: files are missing or do not fit together.
    """
    if size < 1:
        raise UserError(f"option size={size} of 'imagenet' must be a number of pixels, such as 224")
    path = source.root / "imagenet"
    for split in ("train", "val"):
        if not (path / split).is_dir():
            _unpack(path, split)
    names = common_classes(path, ("train", "val"))
    if classes:
        names = tuple(names[number] for number in chosen_classes(classes, names, "imagenet"))
    parts = [list_pictures(path, split, names) for split in ("train", "val")]
    return read_pictures(parts, names, ReadOptions("imagenet", size, memory=memory, moments=IMAGENET_MOMENTS))


def _unpack(path: Path, split: str) -> None:
    import torchvision.datasets

    try:
        torchvision.datasets.ImageNet(path, split=split)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        where = f"put {', '.join(ARCHIVES)} (image-net.org, by agreement) or folders train and val into {path}"
        raise UserError(f"ImageNet's {split} split cannot be read: {where}, or give --data-root; {reason}") from None


DATASET = Dataset(
    imagenet,
    augment=("resized_crop", "flip"),  # as Szegedy et al. (CVPR 2015) and the training of torchvision's checkpoints
    licence="non-commercial research and education, by agreement with image-net.org",
    citation="""@article{russakovsky2015imagenet,
  title={{ImageNet} Large Scale Visual Recognition Challenge},
  author={Russakovsky, Olga and Deng, Jia and Su, Hao and Krause, Jonathan and Satheesh, Sanjeev and Ma, Sean and
    Huang, Zhiheng and Karpathy, Andrej and Khosla, Aditya and Bernstein, Michael and Berg, Alexander C. and
    Fei-Fei, Li},
  journal={International Journal of Computer Vision}, volume={115}, number={3}, pages={211--252}, year={2015}}""",
    source="https://image-net.org/challenges/LSVRC/2012/",
)
