"""Run one training stage: SGD with Nesterov momentum, Adam or AdamW.

The rate warms up and falls as a cosine, or stays constant. The network of the last epoch is the result.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.data.augment import augment
from prunebench.data.splits import BlockData
from prunebench.errors import CellError
from prunebench.plugins.guard import called, keeping, settings as global_settings
from prunebench.plugins.regulariser import Attached, Regulariser
from prunebench.pruning.masks import held
from prunebench.pruning.network import Network
from prunebench.records.names import OptimiserName
from prunebench.records.record import Epoch
from prunebench.records.sparse import SparseFacts
from prunebench.seeding import generator, seeded
from prunebench.training.evaluate import evaluate
from prunebench.training.gates import openness
from prunebench.training.reach import OWN, acted_on
from prunebench.training.term import attach, gradients_of, name_of, term_of

Tick = Callable[[str], None]


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of one training stage.

    rate: peak learning rate.
    precision: autocast dtype on a GPU, or None.
    only: names of the modules to train, while all others are frozen and in eval mode; empty: train all.
    constant: whether the rate stays at its peak after the warm-up.
    """

    stage: str
    epochs: int
    rate: float
    batch: int
    weight_decay: float
    seed: int
    precision: torch.dtype | None = None
    only: tuple[str, ...] = ()
    constant: bool = False
    optimiser: OptimiserName = "sgd"


@dataclass
class Trained:
    """The results of one training stage beside the network. pushed: as `Attached.pushed` gives it."""

    curve: list[Epoch] = field(default_factory=list)
    sparse: SparseFacts | None = None
    pushed: dict[str, Tensor] = field(default_factory=dict)


def steps_per_epoch(pictures: int, batch: int) -> int:
    """Count the steps of one epoch. A last batch of one picture is left out.

    >>> steps_per_epoch(100, 32), steps_per_epoch(97, 32)
    (4, 3)
    """
    return pictures // batch + (pictures % batch > 1)


def rate_at(step: int, steps: int, peak: float, constant: bool = False) -> float:
    """Give the rate of one step: linear warm-up over the first twentieth of the steps, then a cosine to zero.

    constant: stay at the peak after the warm-up.

    >>> [round(rate_at(step, 100, 1.0), 3) for step in (0, 4, 52, 99)]
    [0.2, 1.0, 0.5, 0.0]
    >>> [round(rate_at(step, 100, 1.0, constant=True), 3) for step in (0, 4, 52, 99)]
    [0.2, 1.0, 1.0, 1.0]
    """
    warm = max(1, steps // 20)
    if step < warm:
        return peak * (step + 1) / warm
    if constant:
        return peak
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm + 1) / (steps - warm + 1)))


def train(
    network: Network,
    data: BlockData,
    settings: TrainingSettings,
    regulariser: Regulariser | None = None,
    tick: Tick = lambda _: None,
) -> Trained:
    """Train a network in place.

    A regulariser adds its term to the loss. At the end it is detached, and gates are folded into the network. Pruned
    single weights stay zero. The curve ends with the validation accuracy, where there are validation pictures.

    Raises `CellError` if the loss or the term is not finite, if the term has no gradient, or if the code of network or
    regulariser fails or changes a global state.
    """
    if settings.epochs == 0:
        return Trained()
    with _unchanged(regulariser):
        return _trained(network, data, settings, regulariser, tick)


def _trained(
    network: Network, data: BlockData, settings: TrainingSettings, regulariser: Regulariser | None, tick: Tick
) -> Trained:
    trained, attached = Trained(), None
    if regulariser is not None:
        attached = attach(regulariser, network, generator(settings.seed, settings.stage, "regulariser"))
        before = float(attached.measure().detach())
        ratio, share = _at_start(network, regulariser, attached, data, settings)
    with seeded(settings.seed, settings.stage, "dropout"), _frozen(network.model, settings.only), held(network):
        for epoch, rate, loss in _epochs(network.model, data, settings, attached):
            if attached is not None and regulariser is not None:
                term_of(regulariser, attached)
            last = epoch == settings.epochs
            accuracy = evaluate(network.model, data.validation).accuracy if last and len(data.validation) else None
            trained.curve.append(Epoch(stage=settings.stage, epoch=epoch, rate=rate, loss=loss, validation=accuracy))
            tick(f"{settings.stage} epoch {epoch}/{settings.epochs}")
    if attached is not None:
        after = float(attached.measure().detach())
        trained.pushed, gates = attached.pushed(), attached.detach()
        trained.sparse = SparseFacts(
            before=before,
            after=after,
            gradient_ratio=ratio,
            acted_on=share,
            gates={group: openness(log_alpha) for group, log_alpha in gates.items()},
        )
        network.gates.update(gates)
    network.model.eval()
    return trained


def _epochs(
    model: nn.Module, data: BlockData, settings: TrainingSettings, attached: Attached | None
) -> Iterator[tuple[int, float, float]]:
    """Yield (epoch, rate, mean loss) after each epoch."""
    order = generator(settings.seed, settings.stage, "order")
    optimiser = make_optimiser(model, settings, attached)
    batches = steps_per_epoch(len(data.train), settings.batch)
    steps, step = batches * settings.epochs, 0
    for epoch in range(1, settings.epochs + 1):
        _train_mode(model, settings.only)
        total = torch.zeros((), device=data.train.mean.device)
        drawn = torch.split(torch.randperm(len(data.train), generator=order), settings.batch)
        chosen = [index for index in drawn if len(index) > 1]  # BatchNorm cannot normalise one picture
        for images, labels in data.train.pictures.batches(chosen):
            inputs = data.train.floats(augment(images, data.augment, order, data.train.side))
            rate = rate_at(step, steps, settings.rate, settings.constant)
            for group in optimiser.param_groups:
                group["lr"] = rate * group["factor"]
            step_of = partial(_step, model, (inputs, labels), settings.precision, attached, optimiser)
            total += called(f"the training in stage '{settings.stage}'", step_of)
            step += 1
        loss = float(total) / batches
        if not math.isfinite(loss):
            raise CellError(
                f"training diverged in stage '{settings.stage}', epoch {epoch}: the loss is {loss}; lower the rate"
            )
        yield epoch, rate, loss


@contextmanager
def _unchanged(regulariser: Regulariser | None) -> Iterator[None]:
    """Raise `CellError` if a training changes a global setting: later stages would run with it."""
    with keeping(global_settings()) as changed:
        yield
    if changed:
        who = "the network's forward pass" + ("" if regulariser is None else f" or {name_of(regulariser)}")
        raise CellError(f"{who} changes {' and '.join(changed)} during the training; it must change no global state")


@contextmanager
def _frozen(model: nn.Module, only: tuple[str, ...]) -> Iterator[None]:
    """Freeze all parameters outside the modules `only`, and unfreeze them afterwards. If empty, freeze none."""
    inside = tuple(f"{module}." for module in only)
    frozen = [p for name, p in model.named_parameters() if only and not name.startswith(inside) and p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _train_mode(model: nn.Module, only: tuple[str, ...]) -> None:
    """Set only the trained modules to training mode, so that frozen BatchNorm and dropout stay in eval mode."""
    model.train(not only)
    for module in only:
        model.get_submodule(module).train()


def _step(
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    precision: torch.dtype | None,
    attached: Attached | None,
    optimiser: torch.optim.Optimizer,
) -> Tensor:
    """Take one training step; returns the loss without the regulariser's term."""
    inputs, labels = batch
    if attached is not None:
        attached.draw()
    with torch.autocast(inputs.device.type, precision, enabled=precision is not None):
        loss = F.cross_entropy(model(inputs).float(), labels)
    objective = loss if attached is None else loss + attached.penalty()
    optimiser.zero_grad(set_to_none=True)  # after the penalty: one of a plugin may have called backward itself
    objective.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.detach()


def make_optimiser(
    model: nn.Module, settings: TrainingSettings, attached: Attached | None = None
) -> torch.optim.Optimizer:
    """Make the optimiser of a stage, at its peak rate. attached: a regulariser, perhaps with its own parameters."""
    own = {"params": list(model.parameters()), "weight_decay": settings.weight_decay, "factor": 1.0}
    groups: list[dict[str, Any]] = [own]
    if attached is not None and attached.parameters:
        groups.append({"params": attached.parameters, "weight_decay": 0.0, "factor": attached.rate_factor})
    return _OPTIMISERS[settings.optimiser](groups, lr=settings.rate)


_OPTIMISERS: dict[OptimiserName, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def _at_start(
    network: Network, regulariser: Regulariser, attached: Attached, data: BlockData, settings: TrainingSettings
) -> tuple[dict[str, float], float]:
    """Divide the norm of the term's gradient by the norm of the loss's, for each parameter with both, on one batch.

    Returns these ratios, and the share of units that the term acts on.
    """
    named = dict(network.model.named_parameters())
    named |= {f"{OWN} {number}": gate for number, gate in enumerate(attached.parameters)}
    attached.draw()
    pictures, labels = data.train.batches(settings.batch)[0]
    network.model.eval()
    loss = F.cross_entropy(network.model(pictures), labels)
    of_term = gradients_of(regulariser, attached, named)
    of_loss = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    ratios = {
        name: float(a.norm() / b.norm().clamp_min(1e-30))
        for (name, a), b in zip(of_term.items(), of_loss, strict=True)
        if a is not None and b is not None
    }
    return ratios, acted_on(network, of_term)
