"""Augment a whole batch at once; every picture is moved, cropped or flipped in its own way."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_ATTEMPTS = 10  # draws per picture until a crop fits, as in torchvision


def augment(images: Tensor, kinds: tuple[str, ...], generator: torch.Generator, side: int = 0) -> Tensor:
    """Augment a batch of pictures (n, channels, height, width), bytes or floats, with a CPU generator.

    New borders are zero: black in bytes.

    ``shift``: move by up to a tenth of the side. ``crop``: pad by an eighth of the side, then crop at random. ``flip``:
    mirror left-right with probability one half. ``resized_crop``: resize a random part (8 to 100 % of the area, 3:4 to
    4:3) to `side` pixels, or to the pictures' side if 0 (Inception; Szegedy et al., CVPR 2015).
    """
    for kind in kinds:
        width = images.shape[-1]
        if kind == "shift":
            images = _shifted(images, max(1, round(width / 10)), generator)
        elif kind == "crop":
            images = _shifted(images, width // 8, generator)
        elif kind == "resized_crop":
            images = resized_crop(images, draw_boxes(len(images), width, generator), side or width)
        else:
            flipped = torch.rand(len(images), generator=generator).to(images.device) < 0.5
            images = torch.where(flipped.view(-1, 1, 1, 1), images.flip(-1), images)
    return images


def _shifted(images: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    offsets = torch.randint(0, 2 * reach + 1, (2, count), generator=generator).to(images.device)
    rows = offsets[0].view(-1, 1) + torch.arange(height, device=images.device)
    columns = offsets[1].view(-1, 1) + torch.arange(width, device=images.device)
    padded = F.pad(images, (reach, reach, reach, reach)).permute(0, 2, 3, 1)
    number = torch.arange(count, device=images.device).view(-1, 1, 1)
    moved: Tensor = padded[number, rows.unsqueeze(2), columns.unsqueeze(1)]
    return moved.permute(0, 3, 1, 2)


def draw_boxes(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw a part of each of `count` square pictures: int64 (4, count), top, left, height and width in pixels.

    The area is uniform from 0.08 to 1 of the picture, the ratio of the sides log-uniform from 3:4 to 4:3. If ten draws
    are too wide or too high, the part is the whole picture.
    """
    area, ratio = torch.rand(2, count, _ATTEMPTS, generator=generator)
    area, ratio = side**2 * (0.08 + 0.92 * area), ((2 * ratio - 1) * math.log(4 / 3)).exp()
    sizes = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()]).round().long()
    fits = ((sizes > 0) & (sizes <= side)).all(dim=0)
    first = fits.long().argmax(dim=1)  # of equal values the first
    size = torch.where(fits.any(dim=1), sizes[:, torch.arange(count), first], side)
    corner = torch.rand(2, count, generator=generator).mul(side - size + 1).long()
    return torch.cat([torch.minimum(corner, side - size), size])


def resized_crop(images: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Resize a part of each picture to (n, channels, side, side), bilinear. boxes: from `draw_boxes`.

    No smoothing is needed: `side` is 7/8 of the picture's, so no part shrinks by more than 8/7.
    """
    height, width = images.shape[-2:]
    top, left, rows, columns = boxes.to(images.device, torch.float32).unsqueeze(2)
    steps = (torch.arange(side, device=images.device) + 0.5) / side
    y = (steps * rows - 0.5).clamp_min(0).minimum(rows - 1) + top  # reads no pixel outside the part
    x = (steps * columns - 0.5).clamp_min(0).minimum(columns - 1) + left
    y, x = (2 * y + 1) / height - 1, (2 * x + 1) / width - 1
    grid = torch.stack([x.unsqueeze(1).expand(-1, side, -1), y.unsqueeze(2).expand(-1, -1, side)], dim=3)
    parts = F.grid_sample(images.float(), grid, align_corners=False, padding_mode="border")
    return parts if images.is_floating_point() else parts.round_().clamp_(0, 255).to(torch.uint8)
