"""Pictures and labels that a call was given: tensors, or any dataset of PyTorch."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from prunebench.data.loaded import Loaded
from prunebench.data.pictures import Pictures
from prunebench.data.sources import histogram, moments, split_test
from prunebench.errors import UserError, kind_of
from prunebench.seeding import seeded

FORMS = "a torch Dataset, (pictures, labels), (training, test), or a name"
TEST = 5  # one in so many pictures is a test picture where no test split is given
LARGEST = 4 * 2**30  # bytes of pictures that are held in memory


class Labelled(NamedTuple):
    """Pictures (n, channels, height, width), labels (n,) or None, and names of the classes where they are known."""

    pictures: Tensor
    labels: Tensor | None
    classes: tuple[str, ...] = ()


def load_given(given: Any, name: str) -> Loaded:
    """Make a dataset of tensors, of a dataset of PyTorch, or of a pair (training, test) of these.

    Without a test split, a stratified fifth becomes it, the same always. Bytes are normalised as in every dataset;
    floats are given to networks as they are. A `Subset` with the labels 0 to k - 1 has the first k classes alone.
    name: of the dataset, for messages.

    Raises `UserError` where pictures or labels are not what networks take.

    >>> pictures, labels = torch.zeros(20, 1, 8, 8, dtype=torch.uint8), torch.arange(20) % 2
    >>> loaded = load_given((pictures, labels), "mine")
    >>> len(loaded.train), len(loaded.test), loaded.classes
    (16, 4, ('0', '1'))
    """
    if isinstance(given, Loaded):
        return given
    pair = isinstance(given, tuple) and len(given) == 2 and not is_pair(given)
    whole = given if pair else (given,)
    parts = [_labelled(part, f"dataset '{name}'") for part in whole]
    names = next((part.classes for part in parts if part.classes), ())
    labels = torch.unique(torch.cat([part.labels.cpu() for part in parts if part.labels is not None]))
    classes = 1 + int(labels.max())
    notes: tuple[str, ...] = ()
    if len(names) < classes:
        names = tuple(map(str, range(classes)))
    elif len(labels) == classes < len(names) and _subsets(whole, parts):
        notes = (f"'{name}' is a Subset with the first {classes} of {len(names)} classes, so it has {classes} classes",)
        names = names[:classes]
    splits = [_split(part) for part in parts]
    if splits[0].shape != splits[-1].shape or splits[0].images.dtype != splits[-1].images.dtype:
        both = " and ".join(f"{one.shape} {one.images.dtype}" for one in splits)
        raise UserError(f"dataset '{name}': training and test pictures differ: {both}; give equal ones")
    if not pair:
        if gaps := set(range(classes)) - set(labels.tolist()):
            cure = f"number the {len(labels)} classes that occur from 0 to {len(labels) - 1}, or give (training, test)"
            raise UserError(
                f"dataset '{name}': no picture has label {min(gaps)}, but labels reach {classes - 1}; {cure}"
            )
        splits = list(split_test(splits[0], len(splits[0]) // TEST))
    channels, height, width = splits[0].shape
    if height != width:
        raise UserError(f"dataset '{name}': pictures of {height} x {width} pixels; pad or cut them to squares")
    mean, std = (0.0,) * channels, (1.0,) * channels
    if splits[0].images.dtype == torch.uint8:
        mean, std = moments(histogram(splits[0].images))
    return Loaded(splits[0], splits[1], names, mean, std, notes=notes)


def _subsets(given: Sequence[Any], parts: Sequence[Labelled]) -> bool:
    """Tell whether whatever brings names of classes is a `Subset`, which may lack some of them."""
    named = [one for one, part in zip(given, parts, strict=True) if part.classes]
    return all(isinstance(one, torch.utils.data.Subset) for one in named)


def _labelled(given: Any, where: str) -> Labelled:
    found = read_pictures(given, where)
    if found.labels is None:
        raise UserError(f"{where}: pictures without labels; give (pictures, labels)")
    return found


def _split(part: Labelled) -> Pictures:
    assert part.labels is not None
    images = part.pictures if part.pictures.dtype == torch.uint8 else part.pictures.float()
    return Pictures(images.detach().cpu().contiguous(), part.labels.detach().cpu().long())


def is_pair(given: Any) -> bool:
    """Tell whether something is pictures with their labels, as a pair of tensors or arrays."""
    two = isinstance(given, tuple | list) and len(given) == 2
    return two and all(isinstance(one, Tensor | np.ndarray) for one in given) and np.ndim(given[1]) < 4


def is_dataset(given: Any) -> bool:
    """Tell whether something can be read like a dataset of PyTorch, by number."""
    known = isinstance(given, Tensor | np.ndarray | str | tuple | list | dict)
    return not known and hasattr(given, "__getitem__") and hasattr(given, "__len__")


def read_pictures(given: Any, where: str, allowed: str = FORMS) -> Labelled:
    """Read pictures, with labels where there are some. where: what is read; allowed: what it may be, for messages.

    Raises `UserError` for another type, shape or number of pictures or labels.
    """
    if isinstance(given, Tensor | np.ndarray):
        return Labelled(check_pictures(torch.as_tensor(given), where), None)
    if is_pair(given):
        return _checked(*map(torch.as_tensor, given), where=where)
    if isinstance(given, torch.utils.data.DataLoader):
        raise UserError(f"{where}: a DataLoader gives batches; give its dataset, as in loader.dataset")
    if isinstance(given, torch.utils.data.TensorDataset) and len(given.tensors) == 2:
        return _checked(*given.tensors, where=where)
    if is_dataset(given):
        return _read(given, where)
    raise UserError(f"{where}: {described(given)}; give {allowed}")


def described(given: Any) -> str:
    """Describe a thing in a few words, for messages.

    >>> described(torch.zeros(2, 3)), described([1, 2]), described(5)
    ('a tensor of shape (2, 3)', 'a list of 2', 'an int')
    """
    if isinstance(given, Tensor | np.ndarray):
        return f"a tensor of shape {tuple(given.shape)}"
    size = f" of {len(given)}" if isinstance(given, tuple | list | dict) else ""
    return f"{kind_of(given)}{size}"


def check_pictures(pictures: Tensor, where: str) -> Tensor:
    """Check pictures (n, channels, height, width) in bytes or floats. Returns them; raises `UserError`."""
    shape = tuple(pictures.shape)
    if pictures.ndim != 4:
        cure = "; add the channel by pictures.unsqueeze(1)" if pictures.ndim == 3 else ""
        raise UserError(f"{where}: pictures of shape {shape}; give (n, channels, height, width){cure}")
    if shape[3] in (1, 3) and shape[1] == shape[2] > 4:
        cure = "put channels second, by pictures.permute(0, 3, 1, 2)"
        raise UserError(f"{where}: pictures of shape {shape} have their channels last; {cure}")
    if pictures.dtype != torch.uint8 and not pictures.is_floating_point():
        raise UserError(f"{where}: pictures of type {pictures.dtype}; give uint8 from 0 to 255, or floats")
    if not len(pictures):
        raise UserError(f"{where}: there are no pictures")
    if pictures.is_floating_point() and not pictures.isfinite().all():
        raise UserError(f"{where}: pictures hold values that are not finite")
    return pictures


def _checked(pictures: Tensor, labels: Tensor, *, where: str, classes: tuple[str, ...] = ()) -> Labelled:
    check_pictures(pictures, where)
    if labels.shape != pictures.shape[:1]:
        what = f"labels of shape {tuple(labels.shape)} for {len(pictures)} pictures"
        raise UserError(f"{where}: {what}; give one whole number from 0 for each")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise UserError(f"{where}: labels of type {labels.dtype}; give whole numbers from 0, as by labels.long()")
    if int(labels.min()) < 0:
        raise UserError(f"{where}: label {int(labels.min())} is below 0; number the classes from 0")
    return Labelled(pictures, labels.long(), classes)


def _read(dataset: Any, where: str) -> Labelled:
    """Read every item of a dataset, (picture, label). Draws of its transform are the same always."""
    count = len(dataset)
    if not count:
        raise UserError(f"{where}: there are no pictures")
    with seeded(0, "dataset"):
        first, _ = _item(dataset, 0, where)
        if count * first.numel() * first.element_size() > LARGEST:
            size = count * first.numel() * first.element_size() / 2**30
            raise UserError(f"{where}: {size:.0f} GiB of pictures do not fit here; use a folder, folder:PATH")
        items = [_item(dataset, number, where) for number in range(count)]
        again, _ = _item(dataset, 0, where)
    if again.shape != items[0][0].shape or not torch.equal(again, items[0][0]):
        what = "gives another picture each time"
        raise UserError(f"{where}: its transform {what}; leave random transforms out, as pictures are read once")
    shapes = {tuple(picture.shape): number for number, (picture, _) in reversed(list(enumerate(items)))}
    if len(shapes) > 1:
        both = " and ".join(f"{shape} (number {number})" for shape, number in sorted(shapes.items())[:2])
        raise UserError(f"{where}: pictures of several shapes, {both}; resize them in the transform")
    whole = dataset
    while isinstance(whole, torch.utils.data.Subset):
        whole = whole.dataset
    known = getattr(dataset, "classes", getattr(whole, "classes", ()))
    classes = tuple(map(str, known)) if isinstance(known, Sequence) and not isinstance(known, str) else ()
    pictures = torch.stack([picture for picture, _ in items])
    return _checked(pictures, torch.tensor([label for _, label in items]), where=where, classes=classes)


def _item(dataset: Any, number: int, where: str) -> tuple[Tensor, int]:
    item = dataset[number]
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise UserError(f"{where}: item {number} is {described(item)}; it must be (picture, label)")
    try:
        label = int(item[1])
    except (TypeError, ValueError, RuntimeError):
        raise UserError(f"{where}: the label of item {number} is {described(item[1])}, not a whole number") from None
    return _picture(item[0], f"{where}: item {number}"), label


def _picture(given: Any, where: str) -> Tensor:
    """Turn a picture into (channels, height, width)."""
    if isinstance(given, Tensor | np.ndarray):
        tensor = torch.as_tensor(given)
        if isinstance(given, np.ndarray) and tensor.ndim == 3 and tensor.shape[2] in (1, 3):
            tensor = tensor.permute(2, 0, 1)
        return tensor.unsqueeze(0) if tensor.ndim == 2 else tensor
    if not hasattr(given, "getbands"):  # a picture of PIL
        raise UserError(f"{where} holds {described(given)}; give a tensor, as by transforms.ToTensor()")
    from torchvision.transforms.functional import pil_to_tensor

    plain: Tensor = pil_to_tensor(given if given.mode in ("L", "RGB") else given.convert("RGB"))
    return plain


def batches_of(given: Any, where: str, most: int) -> Iterator[Labelled]:
    """Yield batches of an iterable, such as a DataLoader, until there are `most` pictures."""
    allowed = "(pictures, labels), a torch Dataset, or batches such as a DataLoader"
    if isinstance(given, str | dict) or not hasattr(given, "__iter__"):
        raise UserError(f"{where}: {described(given)}; give {allowed}")
    seen = 0
    for number, part in enumerate(given):
        yield read_pictures(part, f"{where}: batch {number}", "pictures, or (pictures, labels)")
        seen += len(part[0] if isinstance(part, tuple | list) else part)
        if seen >= most:
            return
