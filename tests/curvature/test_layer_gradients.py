"""Squared per-sample gradients against autograd, sample by sample, however many are held at once."""

import pytest
import torch
from torch import Tensor, nn

from prunebench.curvature import layer_gradients as module
from prunebench.curvature.layer_gradients import squares

LAYERS = {
    "plain": (nn.Conv2d(3, 4, 3, padding=1), (14, 3, 7, 6)),
    "grouped and strided": (nn.Conv2d(4, 6, 3, stride=2, groups=2), (9, 4, 9, 9)),
    "depthwise": (nn.Conv2d(5, 5, 3, padding=1, groups=5), (8, 5, 6, 6)),
    "sequences": (nn.Linear(6, 5), (11, 12, 6)),
}


def by_hand(layer: nn.Module, inputs: Tensor, grads: Tensor) -> Tensor:
    """Sum of squares of the gradient of each sample and vector, from autograd alone."""
    weight = layer.get_parameter("weight")
    total = torch.zeros_like(weight)
    for sample in range(len(inputs)):
        for vector in grads:
            output = layer(inputs[sample : sample + 1])
            (gradient,) = torch.autograd.grad(output, weight, vector[sample : sample + 1])
            total += gradient.square()
    return total.flatten(1)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("vectors", [1, 3])
@pytest.mark.parametrize(("few", "buffer"), [(0, 1), (0, 30), (0, 300), (0, 2**17), (100, 1)])
def test_they_are_autograds(name: str, vectors: int, few: int, buffer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, shape = LAYERS[name][0].double(), LAYERS[name][1]
    inputs = torch.randn(shape, dtype=torch.float64)
    grads = torch.randn(vectors, *layer(inputs).shape, dtype=torch.float64)
    monkeypatch.setattr(module, "FEW", few)
    monkeypatch.setattr(module, "BUFFER", buffer)
    with torch.no_grad():
        found, _ = squares(layer, inputs, grads)
    torch.testing.assert_close(found, by_hand(layer, inputs, grads), rtol=1e-10, atol=1e-12)
