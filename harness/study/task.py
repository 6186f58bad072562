"""Prepares tasks: finds dataset and model, loads the data, analyses the table of units."""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from prunebench import models
from prunebench.blocks.finding import Block
from prunebench.checkpoints.loading import checkpoint_digest, load_checkpoint
from prunebench.data.loaded import IMAGENET_MOMENTS, Loaded
from prunebench.data.pictures import Pictures
from prunebench.data.splits import BlockData, check_sizes, draw, some
from prunebench.errors import CellError, UserError, fitting
from prunebench.plugins.dataset import Dataset, Source
from prunebench.plugins.guard import prepared
from prunebench.plugins.identity import identity
from prunebench.plugins.model import Model
from prunebench.plugins.options import split_name
from prunebench.plugins.registry import get_dataset, get_model, load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import CostModel, costs
from prunebench.pruning.network import Network, Table
from prunebench.pruning.selection import Rule
from prunebench.records.names import Metric
from prunebench.records.protocol import Protocol
from prunebench.repair.repairing import check_repair
from prunebench.seeding import seeded
from prunebench.study.analyses import Analysis, analysis_key, graph_of, kept_analysis
from prunebench.study.structure import Blocks, Structure, blocks_of, rule_of, structure_of
from prunebench.training.memory_format import in_format, working_format


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """A dataset with a model, ready for a run.

    costs: of the dense network's parts. blocks: its residual blocks and their costs, where the protocol removes blocks.
    protocol: with the model family's defaults filled in. checkpoint: the file that dense networks start from; the
    protocol holds the file's name and digest. notes: what the user should know of data and checkpoint. memory_format:
    of networks and batches. fault: why the network cannot be trained, "" if it can; its cells fail, other networks are
    not held up. graph: of networks by the code of others alone, which may read files and the environment; see
    `prunebench.study.analyses.graph_of`. keep_as: the key of an analysis that was made here; "" where it was read, or
    is not to be kept.
    """

    dataset_label: str
    dataset: Dataset
    loaded: Loaded
    fingerprint: str
    model: Model
    table: Table
    costs: CostModel
    protocol: Protocol
    checkpoint: Path | None = None
    notes: tuple[str, ...] = ()
    memory_format: torch.memory_format = torch.channels_last
    fault: str = ""
    blocks: Blocks | None = None
    graph: str = ""
    keep_as: str = ""

    @property
    def shape(self) -> dict[str, int]:
        """Channels, picture size and classes, as arguments of the model."""
        channels, size, _ = self.loaded.shape
        return {"channels": channels, "size": size, "classes": len(self.loaded.classes)}

    @property
    def rule(self) -> Rule:
        """Limits of every selection: floors, multiples, groups that are not pruned."""
        return rule_of(self.table, self.protocol)

    def structure(self, metric: Metric) -> Structure:
        """Return what is removed: blocks, single weights or whole units."""
        return structure_of(self.table, self.costs, self.protocol, metric, self.blocks)

    @property
    def found_blocks(self) -> tuple[Block, ...]:
        """Blocks that may have been removed from a saved network."""
        return self.blocks[0] if self.blocks else ()

    def data(self, seed: int, device: torch.device) -> BlockData:
        """Draw a block's splits."""
        data = draw(self.loaded, self.dataset.augment, self.protocol, seed, device)
        return data.in_format(self.memory_format)

    def some_data(self, count: int, device: torch.device) -> BlockData:
        """Take a few training pictures, to time or to try something on."""
        return some(self.loaded, self.dataset.augment, count, device).in_format(self.memory_format)

    def fresh(self, seed: int, device: torch.device) -> Network:
        """Build a block's dense network with random or checkpoint weights.

        Raises `CellError` for a network that cannot be trained.
        """
        if self.fault:
            raise CellError(self.fault)
        with seeded(seed, "initialisation"):
            model = self.model(**self.shape)
            if self.checkpoint is not None:
                new = self.model.classifier(model) if self.protocol.frozen_epochs else ()
                load_checkpoint(model, self.checkpoint, self.model.label, skip=new)
        return Network.dense(in_format(model, device, self.memory_format), self.table)

    def shell(self) -> nn.Module:
        """Build a dense network on the CPU to load a saved network into; its weights do not matter."""
        with seeded(0, "initialisation"):
            return self.model.without_weights()(**self.shape)

    def facts(self, seed: int, device: torch.device, threads: int) -> dict[str, object]:
        """Return the facts that identify a block, as JSON values. On a CPU the last digits depend on the threads."""
        facts: dict[str, object] = {
            "dataset": split_name(self.dataset_label)[0],  # no path: the fingerprint identifies the pictures
            "augment": list(self.dataset.augment),
            "fingerprint": self.fingerprint,
            "model": identity(self.model),
            "seed": seed,
            "device": device.type,
            "threads": threads if device.type == "cpu" else None,
        }
        return facts | ({"graph": self.graph} if self.graph else {})


@functools.cache
def load_dataset(label: str, source: Source, plugins: tuple[str, ...] = ()) -> tuple[Dataset, Loaded, str]:
    """Load a dataset once per process. Returns its record, data and fingerprint."""
    dataset, argument = get_dataset(label, load_registry(plugins))
    with seeded(0, "dataset"):
        loaded = prepared(f"dataset '{label}'", lambda: dataset.load(dataclasses.replace(source, argument=argument)))
    if loaded.augment is not None:
        dataset = dataclasses.replace(dataset, augment=loaded.augment)
    return dataset, loaded, loaded.fingerprint()


@functools.cache  # every job of a grid needs its task
def make_task(
    dataset_label: str,
    model_label: str,
    protocol: Protocol,
    source: Source,
    plugins: tuple[str, ...] = (),
    *,
    kept: Path | None = None,
) -> Task:
    """Prepare a task.

    source: folder of the data, and whether they may be downloaded. kept: results folder that may hold the analysis.

    Raises `UserError` for data that are missing or do not fit, and `UnfitError` for models that cannot be pruned.
    """
    dataset, loaded, fingerprint = load_dataset(dataset_label, source, plugins)
    model = get_model(model_label, load_registry(plugins))
    channels, height, width = loaded.shape
    if height != width:
        cure = "models need square pictures; give a size, such as size=64"
        raise UserError(f"'{dataset_label}' has pictures of {height} x {width} pixels; {cure}")
    checkpoint = Path(protocol.weights) if protocol.weights else None
    complete = model.trained_for(channels, len(loaded.classes))
    protocol = _filled(protocol, model, checkpoint, complete)
    if protocol.normalise == "imagenet":
        loaded = _as_imagenet(loaded, dataset_label)
    check_sizes(loaded, protocol)
    with seeded(0, "analysis"):
        network = model(channels, height, len(loaded.classes))
        example = torch.randn(2, channels, height, width)
        facts = {"model": identity(model), "shape": loaded.shape, "classes": len(loaded.classes)}
        with fitting():
            found = prepared(f"model '{model.label}'", lambda: _analysed(network, example, model.label, facts, kept))
        blocks = blocks_of(protocol, network, found.table, example, f"'{model.label}'")
        check_repair(protocol.repair, network, f"'{model.label}'")
    notes = loaded.notes
    if checkpoint is not None:  # refuses a checkpoint that does not fit, before any training
        new = model.classifier(network) if protocol.frozen_epochs else ()
        notes += load_checkpoint(network, checkpoint, model.label, skip=new)
    return Task(
        dataset_label=dataset_label,
        dataset=dataset,
        loaded=loaded,
        fingerprint=fingerprint,
        model=model,
        table=found.table,
        costs=costs(network, found.table),
        protocol=protocol,
        checkpoint=checkpoint,
        notes=notes,
        memory_format=found.memory_format,
        fault=found.fault,
        blocks=blocks,
        graph="" if getattr(model.build, "__module__", "").startswith(models.__name__) else found.graph,
        keep_as="" if found.fault else found.key,
    )


def _analysed(
    network: nn.Module, example: torch.Tensor, label: str, facts: Mapping[str, Any], folder: Path | None
) -> Analysis:
    """Analyse a network, or read its kept analysis. facts: what decides the analysis beside the graph."""
    graph = graph_of(network, example[:1])
    key = analysis_key(facts, graph)
    if folder and (kept := kept_analysis(folder, key, network)):
        return dataclasses.replace(kept, graph=graph)
    table = analyse(network, example, label, classes=facts["classes"])
    try:
        return Analysis(table, working_format(network, example), graph=graph, key=key)
    except UserError as error:
        fault = f"it cannot be trained: {error}"
        return Analysis(table, torch.contiguous_format, fault, graph=graph)


def _filled(protocol: Protocol, model: Model, checkpoint: Path | None, complete: bool) -> Protocol:
    """Fill missing options with the model family's defaults; name the checkpoint by file name and digest.

    complete: whether the model comes trained for these classes, its classifier included.
    """
    trained = checkpoint is not None or model.pretrained
    missing = {**dataclasses.asdict(model.training), "normalise": model.normalise}
    if protocol.optimiser != "sgd":
        missing |= {"rate": 1e-4 if trained else 1e-3, "weight_decay": 0.01 if protocol.optimiser == "adamw" else 0.0}
    if complete:
        missing["epochs"] = 0
    filled = {name: value for name, value in missing.items() if getattr(protocol, name) is None}
    if checkpoint is not None:
        filled["weights"] = f"{checkpoint.name} {checkpoint_digest(checkpoint)}"
    elif model.digest:
        filled["weights"] = f"{model.name} {model.digest}"
    protocol = Protocol.model_validate(protocol.model_dump() | filled)
    if protocol.frozen_rate != 1 and not protocol.frozen_epochs:
        raise UserError(f"--frozen-rate {protocol.frozen_rate:g} needs --frozen-epochs, which is 0; give both")
    if protocol.epochs == 0 and not trained:
        raise UserError(f"--epochs 0: '{model.label}' starts from random weights; give --weights FILE or more epochs")
    if protocol.frozen_epochs and not trained:
        what = "a new classifier needs trained features"
        raise UserError(f"--frozen-epochs {protocol.frozen_epochs}: {what}; give --weights FILE or a pretrained model")
    return protocol


def _as_imagenet(loaded: Loaded, label: str) -> Loaded:
    """Normalise as checkpoints of ImageNet and many of CIFAR expect. Grey pictures use the mean over colours.

    label: of the dataset. Raises `UserError` for pictures in floats, which networks are given as they are.
    """
    if isinstance(loaded.train, Pictures) and loaded.train.images.is_floating_point():
        cure = "give bytes (uint8), or normalise them yourself and give --normalise data"
        raise UserError(f"--normalise imagenet: '{label}' has pictures in floats, which are used as they are; {cure}")
    mean, std = IMAGENET_MOMENTS if loaded.shape[0] == 3 else ((sum(numbers) / 3,) for numbers in IMAGENET_MOMENTS)
    return dataclasses.replace(loaded, mean=mean, std=std)
