"""Mean activation against the mean of all feature maps at once."""

import torch
from torch import nn

from prunebench.criteria.mean_activation import CRITERION, mean_activation
from prunebench.scoring.score import score
from prunebench.testing import toys


@torch.no_grad()
def test_it_is_the_mean_after_relu_normalised_per_layer() -> None:
    network, pictures = toys.chain(), torch.cat([pictures for pictures, _ in toys.batches()])
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    scores = score(CRITERION, network, toys.batches(), torch.Generator())
    for layer, tail in (("0", 2), ("2", 5), ("6", 8)):
        z = model[:tail](pictures)
        mean = z.mean((0, 2, 3)) if z.ndim == 4 else z.mean(0)
        torch.testing.assert_close(scores[layer], mean / mean.square().sum().sqrt(), rtol=1e-12, atol=1e-15)


def test_a_signed_map_does_not_cancel() -> None:
    assert mean_activation(torch.tensor([[[3.0, -3.0], [1.0, 1.0]]])).tolist() == [3.0, 1.0]
