import numpy as np
import torch
from PIL import Image
from torch import Tensor

from prunebench.data.pictures import Pictures, central, resized


def noise(count: int, height: int, width: int, channels: int = 3) -> Tensor:
    draws = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, height, width), generator=draws).to(torch.uint8)


def test_a_batch_has_the_pictures_and_labels_of_its_index() -> None:
    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1)
    pictures = Pictures(images, torch.arange(5) * 10)
    batches = pictures.batches([torch.tensor([3, 0]), torch.tensor([4])])
    found = [(batch.flatten().tolist(), labels.tolist()) for batch, labels in batches]
    assert found == [([3, 0], [30, 0]), ([4], [40])]
    some = pictures[torch.tensor([3, 0])]
    assert (len(some), some.labels.tolist(), some.images.flatten().tolist()) == (2, [30, 0], [3, 0])
    assert pictures.relabelled(torch.ones(5)).labels.tolist() == [1] * 5


def test_floats_are_resized_as_floats() -> None:
    bytes_, floats = noise(3, 6, 8), noise(3, 6, 8).float().div(255).sub(0.5).div(0.2)
    large = resized(floats, 12)
    assert large.dtype == torch.float32 and large.shape == (3, 3, 12, 12)
    assert float(large.min()) < -1  # below zero, as normalised pictures are
    of_bytes = resized(bytes_, 12).float().div(255).sub(0.5).div(0.2)
    torch.testing.assert_close(large, of_bytes, rtol=0, atol=0.5 / 255 / 0.2 + 1e-5)  # bytes are rounded
    assert resized(floats.double(), 12).dtype == torch.float64
    ((batch, _),) = Pictures(floats, torch.arange(3), side=12).batches([torch.tensor([1])])
    assert torch.equal(batch, large[1:2])


def test_pictures_of_another_side_are_resized_in_the_batch_only() -> None:
    pictures = Pictures(noise(4, 6, 6), torch.arange(4), side=9)
    ((batch, _),) = pictures[torch.arange(3)].batches([torch.tensor([2, 1])])
    assert pictures.shape == (3, 9, 9)
    assert torch.equal(batch, resized(pictures.images[[2, 1]], 9))
    assert pictures.images.shape == (4, 3, 6, 6)


def by_pillow(image: Tensor, width: int, height: int) -> Tensor:
    picture = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def test_resizing_is_pillows_to_one_level() -> None:
    for image, side, width, height in ((noise(1, 12, 20), 6, 10, 6), (noise(1, 8, 8), 16, 16, 16)):
        expected = central(by_pillow(image[0], width, height), side)
        found = resized(image, side)[0]
        assert found.shape == (3, side, side)
        assert (found.int() - expected.int()).abs().max() <= 1


def test_pictures_of_the_right_size_are_not_touched() -> None:
    images = noise(2, 5, 7)
    assert torch.equal(resized(images, 5), images[..., 1:6])


def test_the_centre() -> None:
    image = torch.arange(20).view(1, 1, 4, 5)
    assert central(image, 2).flatten().tolist() == [6, 7, 11, 12]
