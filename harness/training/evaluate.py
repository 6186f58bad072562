"""Measure a network's accuracy and loss on a split, and re-estimate its BatchNorm statistics."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.data.splits import Split
from prunebench.errors import CellError
from prunebench.plugins.guard import called
from prunebench.training.gates import NORMS


@dataclass(frozen=True)
class Result:
    """Per picture, in order: predicted label, loss (nats), whether it is correct, whether the label is in the top 5."""

    predicted: Tensor
    loss: Tensor
    correct: Tensor
    among_five: Tensor

    @property
    def accuracy(self) -> float:
        """Share of pictures that are classified correctly."""
        return float(self.correct.double().mean())

    @property
    def mean_loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(self.loss.double().mean())

    @property
    def top5(self) -> float:
        """Share of pictures whose label is among the five highest logits."""
        return float(self.among_five.double().mean())


@torch.no_grad()
def evaluate(model: nn.Module, split: Split, batch: int | None = None) -> Result:
    """Evaluate a network on every picture of a split, in eval mode.

    batch: pictures at a time; by default 500 up to 32 x 32 pixels, fewer for larger pictures.
    """
    batch = batch or min(500, max(16, 512_000 // split.side**2))
    training = model.training
    model.eval()
    rows: list[tuple[Tensor, ...]] = []
    for pictures, labels in split.batches(batch):
        logits = called("the network's forward pass", partial(model, pictures)).float()
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        hits = best == labels.unsqueeze(1)
        loss = F.cross_entropy(logits, labels, reduction="none")
        rows.append((best[:, 0].cpu(), loss.cpu(), hits[:, 0].cpu(), hits.any(dim=1).cpu()))
    model.train(training)
    return Result(*(torch.cat(column) for column in zip(*rows, strict=True)))


@torch.no_grad()
def with_batchnorm_reestimated(model: nn.Module, calibration: Split, batch: int) -> nn.Module:
    """Copy a network with BatchNorm statistics from the calibration pictures, averaged over batches."""
    model = copy.deepcopy(model).eval()
    reestimate_batchnorm(model, (pictures for pictures, _ in calibration.batches(max(2, batch))))
    return model


@torch.no_grad()
def reestimate_batchnorm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Take the statistics of every BatchNorm from pictures, averaged over batches, in place. Modes stay.

    batches: pictures (batch, channels, height, width), normalised; batches of one picture are left out. Raises
    `CellError` where no other is there.
    """
    norms = [module for module in model.modules() if isinstance(module, NORMS)]
    if not norms:
        return
    modes = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    used = 0
    for pictures in batches:
        if len(pictures) > 1:
            model(pictures)
            used += 1
    if not used:
        cure = "give two pictures or more, by --calibration and --calibration-batch"
        raise CellError(f"BatchNorm takes no statistics from batches of one picture; {cure}")
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, training in modes:
        module.training = training
