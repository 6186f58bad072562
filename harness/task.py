"""A task made ready: dataset and model found, data loaded, the table of units analysed; and its blocks."""

import dataclasses
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from prunebench.cost import CostModel, costs
from prunebench.dataset import Dataset, Loaded, Source
from prunebench.errors import UserError
from prunebench.identity import identity
from prunebench.model import Model
from prunebench.network import Network, Table
from prunebench.options import split_name
from prunebench.protocol import Protocol
from prunebench.registry import get_dataset, get_model, registry
from prunebench.seeding import seeded
from prunebench.splits import BlockData, check_sizes, draw
from prunebench.units import analyse


@dataclass(frozen=True, eq=False)
class Task:
    """Dataset x model. protocol: with the model family's defaults filled in; costs: of the dense network's parts."""

    dataset_label: str
    dataset: Dataset
    loaded: Loaded
    fingerprint: str
    model: Model
    table: Table
    costs: CostModel
    protocol: Protocol

    @property
    def shape(self) -> dict[str, int]:
        """What the model is built for."""
        channels, size, _ = self.loaded.shape
        return {"channels": channels, "size": size, "classes": len(self.loaded.classes)}

    def data(self, seed: int, device: torch.device) -> BlockData:
        """Draw a block's splits."""
        return draw(self.loaded, self.dataset.augment, self.protocol, seed, device)

    def fresh(self, seed: int, device: torch.device) -> Network:
        """Build a block's dense network with its initial weights."""
        with seeded(seed, "initialisation"):
            model = self.model(**self.shape)
        return Network.dense(place(model, device), self.table)

    def facts(self, seed: int, device: torch.device) -> dict[str, object]:
        """Say what identifies a block, as JSON values."""
        return {
            "dataset": split_name(self.dataset_label)[0],  # a folder may be moved: the fingerprint says what is in it
            "augment": list(self.dataset.augment),
            "fingerprint": self.fingerprint,
            "model": identity(self.model),
            "seed": seed,
            "device": device.type,
        }


def place(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, convolutions in channels_last."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@functools.cache
def load_dataset(label: str, root: Path, download: bool, plugins: tuple[str, ...]) -> tuple[Dataset, Loaded, str]:
    """Load a dataset once per process; gives its record, data and fingerprint."""
    dataset, argument = get_dataset(label, registry(plugins))
    with _named("dataset", label):
        loaded = dataset.load(Source(root, download, argument))
    return dataset, loaded, loaded.fingerprint()


@contextmanager
def _named(kind: str, label: str) -> Iterator[None]:
    """Say whose error it is that a dataset or model (a plugin's, perhaps) ends with."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise UserError(f"{kind} '{label}' cannot be made ready: {type(error).__name__}: {text}") from error


@functools.cache  # the jobs of a grid go through all its tasks again and again
def make_task(
    dataset_label: str, model_label: str, protocol: Protocol, root: Path, download: bool, plugins: tuple[str, ...]
) -> Task:
    """Make a task ready. Raises `UserError` for data that are missing or do not fit, models that cannot be pruned."""
    dataset, loaded, fingerprint = load_dataset(dataset_label, root, download, plugins)
    model = get_model(model_label, registry(plugins))
    channels, height, width = loaded.shape
    if height != width:
        raise UserError(
            f"'{dataset_label}' has pictures of {height} x {width} pixels; models take square ones: give a size"
        )
    defaults = dataclasses.asdict(model.training)
    missing = {name: value for name, value in defaults.items() if getattr(protocol, name) is None}
    protocol = Protocol.model_validate(protocol.model_dump() | missing)
    check_sizes(loaded, protocol)
    with seeded(0, "analysis"), _named("model", model_label):
        network = model(channels, height, len(loaded.classes))
        table = analyse(network, torch.randn(2, channels, height, width), model.label)
    return Task(dataset_label, dataset, loaded, fingerprint, model, table, costs(network, table), protocol)
