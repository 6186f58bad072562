"""The score of both papers as their code computes it: signed activation Taylor in train mode, global after the l2 norm.

Against Molchanov et al. (ICLR 2017, `taylor_activation`) the product of activation and gradient keeps its sign while
pictures are averaged, so a rise of one picture's loss cancels a fall of another's. The network is in train mode:
dropout drops, BatchNorm normalises by the batch. Pictures may be mirrored, as the code scores on augmented pictures.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench import ModelScore, Ranking


def taylor_2020(
    model: nn.Module, batches: Sequence[tuple[Tensor, Tensor]], generator: torch.Generator, *, flips: bool = True
) -> dict[str, Tensor]:
    """Absolute value of the sum over batches of the mean of z dL/dz, with z the output of a layer.

    L is the mean loss of a batch; the mean is over pictures and positions. flips: mirror each picture with probability
    one half. The ranking divides by the layer's l2 norm.

    batches: pairs (pictures, labels). generator: draws flips and dropout. Returns (units,) by layer.

    >>> net = nn.Sequential(nn.Linear(1, 2, bias=False))
    >>> _ = nn.init.constant_(net[0].weight, 1.0)  # z = (1, 1), dL/dz = (-1, 1) / 2
    >>> taylor_2020(net, [(torch.ones(1, 1), torch.tensor([0]))], torch.Generator(), flips=False)["0"].tolist()
    [0.5, 0.5]
    """
    trained = copy.deepcopy(model).train()
    layers = {name: m for name, m in trained.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    outputs: dict[str, Tensor] = {}
    for name, layer in layers.items():
        layer.register_forward_hook(lambda _, __, output, name=name: outputs.update({name: output}))
    sums = {name: layer.weight.new_zeros(len(layer.weight)) for name, layer in layers.items()}
    weight = next(trained.parameters())
    with torch.random.fork_rng([weight.device] if weight.is_cuda else []):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        for pictures, labels in batches:
            inputs = _mirrored(pictures.to(weight), generator) if flips else pictures.to(weight)
            outputs.clear()
            loss = F.cross_entropy(trained(inputs), labels.to(weight.device))
            names = list(outputs)
            gradients = torch.autograd.grad(loss, [outputs[name] for name in names])
            for name, gradient in zip(names, gradients, strict=True):
                product = (outputs[name] * gradient).detach()
                if isinstance(layers[name], nn.Linear):
                    product = product.movedim(-1, 1)
                sums[name] += product.transpose(0, 1).flatten(1).mean(dim=1)
    return {name: total.abs() for name, total in sums.items()}


def _mirrored(pictures: Tensor, generator: torch.Generator) -> Tensor:
    turned = torch.rand(len(pictures), generator=generator).to(pictures.device) < 0.5
    return torch.where(turned.view(-1, 1, 1, 1), pictures.flip(-1), pictures)


CRITERION = ModelScore(
    taylor_2020,
    published=Ranking("global", normalise="l2"),
    reference="Amintoosi, mamintoosi/CNN-pruning and Reg-OBD-for-VGG-Pruning, after jacobgil/pytorch-pruning",
)
