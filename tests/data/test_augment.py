import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from prunebench.data.augment import augment, draw_boxes, resized_crop
from prunebench.seeding import generator


def dot(count: int, side: int, row: int, column: int) -> Tensor:
    images = torch.zeros(count, 3, side, side, dtype=torch.uint8)
    images[:, :, row, column] = torch.tensor([10, 20, 30], dtype=torch.uint8)
    return images


def places(images: Tensor) -> set[tuple[int, int]]:
    """Where each picture's one dot is; every channel must agree."""
    found = set()
    for image in images:
        spots = image.nonzero().tolist()
        assert [spot[0] for spot in spots] == [0, 1, 2]
        assert len({tuple(spot[1:]) for spot in spots}) == 1
        assert image.amax(dim=(1, 2)).tolist() == [10, 20, 30]
        found.add(tuple(spots[0][1:]))
    return found


@pytest.mark.parametrize(("kind", "side", "reach"), [("shift", 20, 2), ("shift", 8, 1), ("crop", 16, 2)])
def test_a_dot_moves_to_every_place_in_reach_and_no_other(kind: str, side: int, reach: int) -> None:
    moved = augment(dot(500, side, 6, 4), (kind,), generator(0, "augment"))
    assert moved.shape == (500, 3, side, side)
    assert moved.dtype == torch.uint8
    span = range(-reach, reach + 1)
    assert places(moved) == {(6 + row, 4 + column) for row in span for column in span}


def test_a_shift_by_hand() -> None:
    offsets = torch.randint(0, 3, (2, 1), generator=torch.Generator().manual_seed(3))  # what the code draws
    image = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3)
    moved = augment(image, ("shift",), torch.Generator().manual_seed(3))
    padded = torch.zeros(5, 5, dtype=torch.uint8)
    padded[1:4, 1:4] = image[0, 0]
    row, column = offsets[:, 0].tolist()
    assert torch.equal(moved[0, 0], padded[row : row + 3, column : column + 3])


def test_what_comes_in_at_the_border_is_black() -> None:
    moved = augment(torch.full((50, 1, 8, 8), 255, dtype=torch.uint8), ("shift",), generator(1, "x"))
    assert set(moved.unique().tolist()) == {0, 255}
    assert moved[:, :, 1:7, 1:7].min() == 255


def test_a_flip_mirrors_about_half_of_the_pictures() -> None:
    images = dot(400, 8, 2, 1)
    flipped = augment(images, ("flip",), generator(0, "flip"))
    assert places(flipped) == {(2, 1), (2, 6)}
    share = float((flipped[:, 0, 2, 6] > 0).float().mean())
    assert 0.4 < share < 0.6


def test_several_kinds_are_done_one_after_the_other() -> None:
    found = places(augment(dot(900, 8, 3, 3), ("shift", "flip"), generator(0, "both")))
    assert found == {(row, column) for row in (2, 3, 4) for column in (2, 3, 4, 5)}


def test_equal_generators_give_equal_pictures_and_the_given_ones_stay() -> None:
    images = torch.randint(0, 256, (20, 1, 8, 8), generator=generator(0, "i")).to(torch.uint8)
    before, state = images.clone(), torch.get_rng_state()
    one, same, other = (augment(images, ("shift", "flip"), generator(0, name)) for name in ("a", "a", "b"))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_resized_crop_is_torchvisions_to_one_level() -> None:
    draws = generator(0, "parts")
    images = torch.randint(0, 256, (40, 3, 32, 32), generator=draws).to(torch.uint8)
    boxes = draw_boxes(40, 32, draws)
    found = resized_crop(images, boxes, 28)
    assert (found.shape, found.dtype) == ((40, 3, 28, 28), torch.uint8)
    for image, box, part in zip(images, boxes.T.tolist(), found, strict=True):
        expected = functional.resized_crop(image, *box, [28, 28], antialias=False)
        assert (part.int() - expected.int()).abs().max() <= 1


def test_parts_lie_inside_and_have_the_areas_and_shapes_that_are_asked_for() -> None:
    top, left, height, width = draw_boxes(5000, 256, generator(0, "parts")).float()
    assert min(float(top.min()), float(left.min())) == 0
    assert max(float((top + height).max()), float((left + width).max())) == 256
    area, ratio = height * width / 256**2, width / height
    assert 0.075 < area.min() < 0.09 and 0.98 < area.max() <= 1
    assert 0.73 < ratio.min() < 0.76 and 1.32 < ratio.max() < 1.37
    shares = torch.histc(area[(ratio - 1).abs() < 0.02], 4, 0.08, 1) / (area[(ratio - 1).abs() < 0.02]).numel()
    assert shares.sub(0.25).abs().max() < 0.1  # nearly square ones always fit: their areas stay uniform


def test_a_resized_crop_gives_the_side_that_networks_see() -> None:
    images = dot(7, 16, 8, 8)
    assert augment(images, ("resized_crop", "flip"), generator(0, "a"), 14).shape == (7, 3, 14, 14)
    assert augment(images, ("resized_crop",), generator(0, "a")).shape == (7, 3, 16, 16)


def test_no_kind_leaves_the_pictures() -> None:
    images = dot(2, 8, 1, 1)
    assert torch.equal(augment(images, (), generator(0, "")), images)
