import pytest
import torch

from prunebench.data.pictures import Pictures
from prunebench.data.sources import histogram, moments, split_test
from prunebench.errors import UserError


def test_moments_per_channel() -> None:
    images = torch.randint(0, 256, (5, 3, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = moments(histogram(images))
    scaled = images.double() / 255
    torch.testing.assert_close(torch.tensor(mean), scaled.mean(dim=(0, 2, 3)).float())
    torch.testing.assert_close(torch.tensor(std), scaled.std(dim=(0, 2, 3), correction=0).float())


def test_a_channel_of_one_level_has_no_deviation_to_divide_by() -> None:
    mean, std = moments(histogram(torch.full((2, 1, 3, 3), 51, dtype=torch.uint8)))
    assert mean == pytest.approx((0.2,))
    assert std == (1.0,)


def numbered(labels: list[int]) -> Pictures:
    return Pictures(torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1), torch.tensor(labels))


def test_split_is_stratified_disjoint_complete_and_fixed() -> None:
    pictures = numbered([0] * 20 + [1] * 10)
    train, test = split_test(pictures, 6)
    assert test.labels.bincount().tolist() == [4, 2]
    assert sorted([*train.images.flatten().tolist(), *test.images.flatten().tolist()]) == list(range(30))
    assert torch.equal(split_test(pictures, 6)[1].images, test.images)
    assert pictures.labels[test.images.flatten().long()].equal(test.labels)


@pytest.mark.parametrize(("labels", "count"), [([0, 0, 0, 1], 2), ([0, 0, 1, 1], 1), ([0, 0, 1, 1], 3)])
def test_too_few_to_split(labels: list[int], count: int) -> None:
    with pytest.raises(UserError, match=r"4 pictures of 2 classes, .* in the smallest, are too few to split"):
        split_test(numbered(labels), count)
