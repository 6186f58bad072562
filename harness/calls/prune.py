"""Prune one network: score, select, remove. Nothing is trained, and no file is written."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from prunebench.calls.arguments import check_options, read_plugins, read_seed, read_shape
from prunebench.calls.keeps import read_keep
from prunebench.calls.own import Own
from prunebench.calls.pictures import Labelled, batches_of, described, is_dataset, is_pair, read_pictures
from prunebench.calls.pruned import Pruned, with_facts
from prunebench.data.loaded import IMAGENET_MOMENTS, Loaded
from prunebench.data.pictures import Pictures
from prunebench.data.sources import Moments, histogram, moments
from prunebench.errors import UserError, unknown
from prunebench.plugins.criterion import AnyCriterion, ModelScore
from prunebench.plugins.expressions import Method, parse_method
from prunebench.plugins.guard import keeping
from prunebench.plugins.registry import NAME, Registry, load_registry
from prunebench.plugins.torch_states import NUMBERS
from prunebench.pruning.analysis import analyse
from prunebench.pruning.copies import copied
from prunebench.pruning.cost import costs
from prunebench.pruning.network import Network
from prunebench.pruning.suitability import eagerly, uncompiled
from prunebench.records.names import Metric, parts
from prunebench.records.protocol import Protocol
from prunebench.repair.repairing import check_repair, repair
from prunebench.scoring.evidence import undisturbed
from prunebench.scoring.layers import Batches
from prunebench.seeding import generator
from prunebench.study.cut import Cutter
from prunebench.study.spec import make_spec
from prunebench.study.stages import Stage
from prunebench.study.structure import blocks_of, check_for_blocks, check_for_weights, structure_of
from prunebench.words import in_python_words

log = logging.getLogger("prunebench")

NAMED = ("criterion", "keep", "seed", "shape", "plugin")  # arguments beside the options
OPTIONS = (
    *("units", "repair", "ranking", "normalise_scores", "floor", "round_to", "coupled"),
    *("calibration", "calibration_batch", "normalise"),
)


def prune(
    model: nn.Module,
    pictures: Any = None,
    *,
    criterion: Any = "magnitude",
    keep: Any,
    seed: int = 0,
    shape: tuple[int, int, int] | None = None,
    plugin: str | Sequence[str] = (),
    **options: Any,
) -> nn.Module:
    """Copy a network without the units that a criterion scores lowest. The given network is not changed.

    Units are scored, ranked and removed as in a run: in eval mode, coupled layers together, on at most `calibration`
    pictures in batches of `calibration_batch`. The copy is an ordinary network of the same class, in the same mode and
    on the same device, without `torch.compile` around its modules. Its facts are `network.pruned`: widths, MACs,
    parameters. Train it with a new optimiser.

    Args:
        model: any network that takes pictures and returns (batch, classes).
        pictures: (pictures, labels), a dataset of PyTorch, or batches, such as a DataLoader. Pictures are (n, channels,
            height, width), floats as the network takes them, or bytes, which are normalised. Labels are (n,). Pictures
            alone do for criteria that use no loss.
        criterion: a name, a `Criterion`, or a function whose arguments name the evidence.
        keep: a fraction of one budget metric, such as ``{"macs": 0.5}``; ``0.5`` is a fraction of the MACs.
        seed: of what is drawn: the calibration pictures out of more, random scores, and the order of equal scores.
        shape: (channels, height, width) of a picture; with it, criteria that use no data need no pictures.
        plugin: files or modules with more criteria.
        options: `units="blocks"` to remove whole residual blocks, `ranking` and with it `normalise_scores`, `floor`,
            `round_to`, `coupled`, `calibration`, `calibration_batch`, `normalise` for bytes, and `repair` for a repair
            after the cut, which needs pictures.

    Raises:
        UserError: the network cannot be pruned, the keep is out of reach, or an argument cannot be used.

    >>> network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2))
    >>> small = prune(network, shape=(1, 8, 8), keep={"macs": 0.5})
    >>> small[0], small.pruned.widths, len(network[0].weight)
    (Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1)), {'0': (8, 4), '3': (2, 2)}, 8)
    """
    with in_python_words(), keeping(NUMBERS), eagerly():
        if not isinstance(model, nn.Module):
            raise UserError(f"model: {described(model)}; give a torch.nn.Module")
        asked, protocol, seed = read_keep(keep, "keep"), _protocol(options), read_seed(seed)
        score = _score(criterion, plugin, asked.metric, protocol)
        example, batches = _evidence(pictures, shape, score, protocol, seed)
        model = uncompiled(copied(model, "the network"))
        dtype, device = _kind(model)
        table = analyse(model, example.to(device, dtype), "the network")
        network = Network.dense(model, table)
        if needs_labels(score):
            _check_labels(network, example, batches)
        dense = costs(network.model, table)
        blocks = blocks_of(protocol, network.model, table, example.to(device, dtype), "the network")
        check_repair(protocol.repair, network.model, "the network")
        structure = structure_of(table, dense, protocol, asked.metric, blocks)
        stage = Stage("point", "finetune", "", 0, asked.fraction)
        cutter = Cutter(protocol, structure, asked.metric, seed)
        scored = cutter.scored(score, network, batches, stage, generator(seed, "score", stage.label))
        small = structure.remove(network, scored.selection.remove)
        repair(protocol.repair, network, small, batches)
        cost, widths = structure.record_fields(small)["pruned"], structure.widths(small)
        weights = {layer: (mask.numel(), int(mask.sum())) for layer, mask in small.masks.items()}
        by_units = protocol.units == "filters" and asked.metric != "weights"
        facts = Pruned(score.label, dense.dense, cost, widths, small.kept, small.masks, weights)
        facts = replace(facts, blocks=tuple(sorted(small.blocks)), fixed=table.fixed if by_units else {})
        return with_facts(small.model, facts)


def needs_labels(score: AnyCriterion) -> bool:
    """Tell whether scores depend on the loss, and so on labels.

    >>> from prunebench import Criterion
    >>> def size(weight, activation): ...
    >>> def slope(weight, grad): ...
    >>> needs_labels(Criterion(size)), needs_labels(Criterion(slope))
    (False, True)
    """
    if isinstance(score, ModelScore):
        return not score.data_free
    return bool(score.needs & {"gradients", "curvature"}) or any(name.endswith("_grad") for name in score.evidence)


def _protocol(options: dict[str, Any]) -> Protocol:
    """Check the options as a run does."""
    for name in options:
        if name not in OPTIONS:
            raise unknown("argument", name, (*NAMED, *OPTIONS), where="prune")
    check_options(options)
    return make_spec(options, default_preset="").protocol()


def _score(given: Any, plugin: str | Sequence[str], metric: Metric, protocol: Protocol) -> AnyCriterion:
    """Find the criterion. Warns where its regulariser is left out; raises `UserError` for what is not one score."""
    files = read_plugins(plugin, "plugin")
    known = Registry(files) if files else load_registry(())
    own = Own(known)
    unnamed = callable(given) and not NAME.fullmatch(getattr(given, "__name__", "own"))
    names = own.criteria({"own": given} if unnamed else given, "criterion")
    if len(names) != 1:
        raise UserError(f"criterion: {len(names) or 'none'} given; `prune` takes one, `run` compares several")
    record = own.plugins[0] if own.plugins else None
    method = Method(names[0], score=record, before=record.regulariser) if record else parse_method(names[0], known)
    if method.score is None or len(parts(method.name)) > 1:
        what = "needs training, and `prune` trains nothing; give the score alone, or use `run`"
        raise UserError(f"criterion '{method.name}' {what}")
    if method.before is not None:
        log.warning("'%s' ranks by its score alone: `prune` trains nothing, so its regulariser does nothing", names[0])
    if protocol.units == "blocks":
        check_for_blocks(protocol, metric, [replace(method, before=None)])
    if metric == "weights":
        check_for_weights(protocol, [method])
    return method.score


def _evidence(
    given: Any, shape: Sequence[int] | None, score: AnyCriterion, protocol: Protocol, seed: int
) -> tuple[Tensor, Batches]:
    """Return two pictures that show the network's input, and the batches that scores are computed on."""
    needs = "pictures with labels" if needs_labels(score) else "pictures"
    if given is None:
        if protocol.repair != "none":
            raise UserError(f"repair={protocol.repair}: needs pictures; give a tensor, a dataset or batches")
        if score.needs:
            raise UserError(f"criterion '{score.label}' needs {needs}; give a pair of tensors, a dataset or batches")
        if shape is None:
            raise UserError("pictures: none given; give some, or shape=(channels, height, width) of one")
        return torch.zeros(2, *read_shape(shape)), []
    read = _parts(given, protocol.calibration, seed)
    if not read:
        raise UserError("pictures: there are no batches; give at least one")
    if any(part.labels is None for part in read) and needs_labels(score):
        raise UserError(f"criterion '{score.label}' needs labels, too; give (pictures, labels)")
    if len({part.pictures.shape[1:] for part in read}) > 1 or len({part.pictures.dtype for part in read}) > 1:
        raise UserError("pictures: batches differ in shape or type; give equal ones")
    pictures = _normalised([part.pictures for part in read], protocol.normalise or "data")
    labels = [_or_zeros(part) for part in read]
    if len(read) == 1:
        size = protocol.calibration_batch
        pictures, labels = list(torch.split(pictures[0], size)), list(torch.split(labels[0], size))
    batches = list(zip(pictures, labels, strict=True))
    return torch.cat([pictures[0][:1]] * 2), batches if score.needs or protocol.repair != "none" else []


def _parts(given: Any, most: int, seed: int) -> list[Labelled]:
    """Read pictures: one part, drawn from what was given, or the given batches as they are."""
    if isinstance(given, Loaded) and isinstance(given.train, Pictures):
        given = given.train.images, given.train.labels
    if is_dataset(given) and not isinstance(given, torch.utils.data.TensorDataset):
        chosen = torch.utils.data.Subset(given, _drawn(len(given), most, seed).tolist())
        return [read_pictures(chosen, "pictures")]
    if not (isinstance(given, Tensor | np.ndarray | torch.utils.data.TensorDataset) or is_pair(given)):
        return list(batches_of(given, "pictures", most))
    whole = read_pictures(given, "pictures")
    order = _drawn(len(whole.pictures), most, seed).to(whole.pictures.device)
    labels = None if whole.labels is None else whole.labels[order.to(whole.labels.device)]
    return [Labelled(whole.pictures[order], labels)]


def _drawn(count: int, most: int, seed: int) -> Tensor:
    """Draw the calibration pictures as a run draws them from its training pictures."""
    return torch.randperm(count, generator=generator(seed, "calibration"))[:most]


def _or_zeros(part: Labelled) -> Tensor:
    return torch.zeros(len(part.pictures), dtype=torch.int64) if part.labels is None else part.labels


def _normalised(batches: list[Tensor], source: str) -> list[Tensor]:
    """Scale and normalise bytes by their own moments or ImageNet's; floats stay as they are."""
    if batches[0].dtype != torch.uint8:
        return batches
    mean, std = cast(Moments, IMAGENET_MOMENTS)
    if source == "data":
        mean, std = moments(torch.stack([histogram(batch.cpu()) for batch in batches]).sum(0))
    elif batches[0].shape[1] != 3:
        raise UserError(f"normalise=imagenet: pictures have {batches[0].shape[1]} channels, not 3; give normalise=data")
    centre, spread = (torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (mean, std))
    return [(batch.float() / 255 - centre.to(batch.device)) / spread.to(batch.device) for batch in batches]


def _kind(model: nn.Module) -> tuple[torch.dtype, torch.device]:
    parameter = next((one for one in model.parameters() if one.is_floating_point()), torch.empty(0))
    return parameter.dtype, parameter.device


def _check_labels(network: Network, example: Tensor, batches: Batches) -> None:
    """Raise `UserError` for a label that is none of the network's classes."""
    with undisturbed(network.model), torch.no_grad():
        classes = network.model(example.to(network.device, network.dtype)).shape[1]
    highest = max(int(labels.max()) for _, labels in batches)
    if highest >= classes:
        raise UserError(f"pictures: label {highest}, but the network has {classes} outputs, so 0 to {classes - 1}")
