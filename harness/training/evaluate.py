"""Measure a network's accuracy and loss on a split, and re-estimate its BatchNorm statistics."""

import copy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.data.splits import Split
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
    norms = [m for m in model.modules() if isinstance(m, NORMS)]
    if not norms:
        return model
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for pictures, _ in calibration.batches(max(2, batch)):
        if len(pictures) > 1:
            model(pictures)
    return model.eval()
