from dataclasses import replace

import pytest
import torch

from prunebench.data.loaded import Loaded
from prunebench.data.pictures import Pictures
from prunebench.data.splits import BlockData, Split, draw, some
from prunebench.errors import UserError
from prunebench.records.protocol import Protocol

CPU = torch.device("cpu")


def numbered(start: int, count: int) -> Pictures:
    """Pictures that carry their own number in their two pixels."""
    numbers = torch.arange(start, start + count)
    images = torch.stack([numbers // 256, numbers % 256], dim=1).to(torch.uint8).view(count, 1, 1, 2)
    return Pictures(images, numbers % 3)


def numbers(split: Split) -> list[int]:
    images = split.pictures.images.long().view(-1, 2)
    return (images[:, 0] * 256 + images[:, 1]).tolist()


LOADED = Loaded(numbered(0, 400), numbered(1000, 50), ("a", "b", "c"), (0.5,), (0.25,))


def drawn(seed: int = 0, loaded: Loaded = LOADED, **options: float) -> BlockData:
    return draw(loaded, (), Protocol.model_validate({"batch": 8, "calibration": 32} | options), seed, CPU)


def test_validation_comes_from_the_training_pictures_and_they_are_disjoint() -> None:
    data = drawn()
    assert len(data.validation) == 40
    assert sorted(numbers(data.train) + numbers(data.validation)) == list(range(400))
    assert numbers(data.test) == list(range(1000, 1050))


def test_a_validation_split_of_the_source_is_used_as_it_is() -> None:
    data = drawn(loaded=replace(LOADED, validation=numbered(2000, 30)))
    assert numbers(data.validation) == list(range(2000, 2030))
    assert sorted(numbers(data.train)) == list(range(400))


def test_calibration_pictures_are_training_pictures() -> None:
    data = drawn()
    assert len(set(numbers(data.calibration))) == 32
    assert set(numbers(data.calibration)) < set(numbers(data.train))
    assert len(drawn(calibration=1000).calibration) == 360


def test_a_fraction_of_the_training_pictures_leaves_the_test_split_whole() -> None:
    data = drawn(train_fraction=0.5, validation_fraction=0.2)
    assert (len(data.train), len(data.validation), len(data.test)) == (160, 40, 50)


def test_a_seed_draws_the_same_again_and_another_draws_others() -> None:
    one, same, other = drawn(0), drawn(0), drawn(1)
    for name in ("train", "validation", "calibration"):
        assert numbers(getattr(one, name)) == numbers(getattr(same, name))
        assert numbers(getattr(one, name)) != numbers(getattr(other, name))
    assert numbers(one.test) == numbers(other.test)


def test_labels_stay_with_their_pictures() -> None:
    data = drawn()
    for split in (data.train, data.validation, data.calibration, data.test):
        assert split.pictures.labels.tolist() == [number % 3 for number in numbers(split)]


def test_fewer_pictures_than_a_batch() -> None:
    with pytest.raises(UserError, match="fewer than a batch of 512, as 40 of 400 are for validation; lower"):
        drawn(batch=512)
    with pytest.raises(UserError, match="no training picture is left"):
        drawn(train_fraction=0.001)


def test_pictures_are_normalised_by_channel() -> None:
    mean, std = torch.tensor([0.5, 0.0]).view(1, 2, 1, 1), torch.tensor([0.25, 2.0]).view(1, 2, 1, 1)
    split = Split(Pictures(torch.zeros(1, 2, 1, 1, dtype=torch.uint8), torch.zeros(1).long()), mean, std)
    given = torch.tensor([[[[255, 0]], [[255, 51]]]], dtype=torch.uint8)
    torch.testing.assert_close(split.floats(given), torch.tensor([[[[2.0, -2.0]], [[0.5, 0.1]]]]))
    assert given[0, 0, 0, 0] == 255


def test_networks_see_the_centre_where_more_is_stored() -> None:
    zero = torch.zeros(1, 1, 1, 1)
    images = torch.arange(36, dtype=torch.uint8).view(1, 1, 6, 6)
    split = Split(Pictures(images, torch.zeros(1).long()), zero, zero + 1 / 255, centre=4)
    assert split.side == 4
    ((seen, _),) = split.batches(1)
    torch.testing.assert_close(seen[0, 0], torch.arange(36.0).view(6, 6)[1:5, 1:5])
    assert draw(replace(LOADED, centre=1), (), Protocol(batch=8), 0, CPU).test.centre == 1


def test_batches_by_number_are_those_in_order() -> None:
    batches = drawn().test.batches(20)
    in_order = list(batches)
    for number in (2, 0, -1):
        assert torch.equal(batches[number][0], in_order[number][0])
    assert [len(labels) for _, labels in batches[1:]] == [20, 10]
    with pytest.raises(IndexError):
        batches[3]


def test_batches_keep_the_order_and_a_short_last_one() -> None:
    data = drawn()
    batches = data.test.batches(20)
    assert [len(labels) for _, labels in batches] == [20, 20, 10]
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.test.pictures.labels)
    assert all(pictures.is_contiguous(memory_format=torch.channels_last) for pictures, _ in batches)


def test_some_pictures_come_from_all_over_the_training_split() -> None:
    data = some(LOADED, ("flip",), 5, CPU)
    assert numbers(data.train) == numbers(data.calibration) == [0, 99, 199, 299, 399]
    assert (len(data.validation), len(data.test), data.augment) == (0, 0, ("flip",))
    assert len(some(LOADED, (), 1000, CPU).train) == 400
