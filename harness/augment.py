"""Augmentation in batch: the whole batch is shifted, cropped and flipped by index arithmetic, picture by picture."""

import torch
from torch import Tensor
from torch.nn import functional as F


def augment(images: Tensor, kinds: tuple[str, ...], generator: torch.Generator) -> Tensor:
    """Augment a batch of uint8 pictures (n, channels, height, width); the draws come from a CPU generator.

    ``shift``: moved by up to a tenth of the side. ``crop``: a random crop after padding by an eighth of the side.
    ``flip``: mirrored left-right with probability one half. New borders are zero (black).
    """
    side = images.shape[-1]
    for kind in kinds:
        if kind == "shift":
            images = _shifted(images, max(1, round(side / 10)), generator)
        elif kind == "crop":
            images = _shifted(images, side // 8, generator)
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
