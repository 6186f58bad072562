import math

import pytest
import torch
from torch import Tensor, nn

from prunebench.data.pictures import Pictures
from prunebench.data.splits import Split
from prunebench.training.evaluate import evaluate, with_batchnorm_reestimated


class Given(nn.Module):
    """Answers with what the first pixels say; keeps a parameter and a mode like any network."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.classes = classes
        self.modes: list[bool] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.modes.append(self.training)
        return pictures.flatten(1)[:, : self.classes] * self.weight


def split(logits: Tensor, labels: list[int]) -> Split:
    one, zero = torch.full((1, 1, 1, 1), 1 / 255.0), torch.zeros(1, 1, 1, 1)
    images = logits.to(torch.uint8).view(len(labels), 1, 1, -1)
    return Split(Pictures(images, torch.tensor(labels)), zero, one)  # so that floats() gives the numbers back


def test_every_picture_counts_once_with_a_short_last_batch() -> None:
    logits = torch.eye(3)[[0, 1, 2, 0, 0, 0, 0]] * 10  # answers 0 1 2 0 0 0 0
    pictures = split(logits, [0, 1, 2, 0, 0, 1, 2])  # the last batch of 1 is wrong, and 4 of 7 would be .67 by batches
    result = evaluate(Given(3), pictures, batch=3)
    assert result.predicted.tolist() == [0, 1, 2, 0, 0, 0, 0]
    assert result.accuracy == 5 / 7
    right, wrong = math.log(math.exp(10) + 2) - 10, math.log(math.exp(10) + 2)
    torch.testing.assert_close(result.loss, torch.tensor([right] * 5 + [wrong] * 2))
    assert result.mean_loss == pytest.approx((5 * right + 2 * wrong) / 7, rel=1e-5)


def test_the_five_best() -> None:
    logits = torch.tensor([[7, 6, 5, 4, 3, 2, 1]] * 7)
    result = evaluate(Given(7), split(logits, [0, 1, 2, 3, 4, 5, 6]))
    assert (result.accuracy, result.top5) == (1 / 7, 5 / 7)


def test_fewer_than_five_classes() -> None:
    assert evaluate(Given(2), split(torch.tensor([[1, 0], [1, 0]]), [0, 1])).top5 == 1.0


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back(training: bool) -> None:
    model = Given(2).train(training)
    evaluate(model, split(torch.tensor([[1, 0]]), [0]))
    assert model.modes == [False]
    assert model.training is training


def noise(count: int) -> Split:
    images = torch.randint(0, 256, (count, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    labels = torch.zeros(count, dtype=torch.int64)
    return Split(Pictures(images, labels), torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1))


def test_batchnorm_is_reestimated_as_the_mean_over_batches_and_the_original_stays() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.9), nn.ReLU())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pictures = noise(12)
    copy = with_batchnorm_reestimated(model, pictures, batch=4)
    with torch.no_grad():
        outputs = [model[0](pictures.floats(part)) for part in torch.split(pictures.pictures.images, 4)]
    means = torch.stack([o.mean(dim=(0, 2, 3)) for o in outputs]).mean(0)
    variances = torch.stack([o.var(dim=(0, 2, 3), unbiased=True) for o in outputs]).mean(0)
    norm = copy[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert not copy.training and not norm.training
    assert model.training
    assert model[1].momentum == 0.1
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_last_batch_of_one_picture_is_left_out() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3))
    nine, eight = noise(9), noise(8)
    one, other = (with_batchnorm_reestimated(model, pictures, batch=4)[2] for pictures in (nine, eight))
    assert isinstance(one, nn.BatchNorm1d) and isinstance(other, nn.BatchNorm1d)
    assert one.running_mean is not None and other.running_mean is not None
    torch.testing.assert_close(nine.floats(nine.pictures.images[:8]), eight.floats(eight.pictures.images))
    torch.testing.assert_close(one.running_mean, other.running_mean)


def test_a_network_without_batchnorm_is_only_copied() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    copy = with_batchnorm_reestimated(model, noise(4), batch=2)
    assert torch.equal(copy[1].weight, model[1].weight)
    assert copy[1].weight is not model[1].weight
