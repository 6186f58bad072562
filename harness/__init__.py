"""PruneBench: compare pruning criteria on CNNs.

Importing the package does not import torch, so a machine without torch can render a report. The names of this module
are the public interface. Files of criteria, datasets and models import from here alone.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunebench.calls.prune import prune as prune
    from prunebench.calls.pruned import Pruned as Pruned
    from prunebench.calls.results import Results as Results
    from prunebench.calls.run import run as run
    from prunebench.choosing.choose import choose as choose
    from prunebench.data.duplicates import near_duplicates as near_duplicates
    from prunebench.data.folders import ReadOptions as ReadOptions, read_pictures as read_pictures
    from prunebench.data.layout import (
        class_folders as class_folders,
        common_classes as common_classes,
        find_splits as find_splits,
    )
    from prunebench.data.listing import list_pictures as list_pictures, visible_folders as visible_folders
    from prunebench.data.loaded import IMAGENET_MOMENTS as IMAGENET_MOMENTS, Loaded as Loaded
    from prunebench.data.pictures import Pictures as Pictures
    from prunebench.data.preparing import chosen_classes as chosen_classes
    from prunebench.data.sources import (
        Moments as Moments,
        histogram as histogram,
        moments as moments,
        split_test as split_test,
    )
    from prunebench.errors import CellError as CellError, UserError as UserError, unknown as unknown
    from prunebench.exporting.folder import export as export
    from prunebench.plugins.criterion import Criterion as Criterion, ModelScore as ModelScore
    from prunebench.plugins.dataset import Dataset as Dataset, Source as Source
    from prunebench.plugins.model import Model as Model, Training as Training, last_layer as last_layer
    from prunebench.plugins.regulariser import (
        Attached as Attached,
        AttachedTerm as AttachedTerm,
        Penalty as Penalty,
        Regulariser as Regulariser,
        check_strength as check_strength,
    )
    from prunebench.pruning.analysis import analyse as analyse, resize as resize
    from prunebench.pruning.layers import ChannelPad as ChannelPad
    from prunebench.pruning.network import Group as Group, Network as Network
    from prunebench.pruning.removal import remove as remove
    from prunebench.pruning.selection import Ranking as Ranking
    from prunebench.pruning.unit_weights import UnitWeights as UnitWeights, unit_weights as unit_weights
    from prunebench.records.record import Record as Record
    from prunebench.scoring.oracle import loss_changes as loss_changes
    from prunebench.scoring.score import score as score
    from prunebench.study.networks import load as load
    from prunebench.training.gates import Gates as Gates, open_probability as open_probability

_HOMES = {
    name: home
    for home, names in {
        "calls.prune": "prune",
        "calls.pruned": "Pruned",
        "calls.results": "Results",
        "calls.run": "run",
        "choosing.choose": "choose",
        "data.duplicates": "near_duplicates",
        "data.folders": "ReadOptions read_pictures",
        "data.layout": "class_folders common_classes find_splits",
        "data.listing": "list_pictures visible_folders",
        "data.loaded": "IMAGENET_MOMENTS Loaded",
        "data.pictures": "Pictures",
        "data.preparing": "chosen_classes",
        "data.sources": "Moments histogram moments split_test",
        "errors": "CellError UserError unknown",
        "exporting.folder": "export",
        "plugins.criterion": "Criterion ModelScore",
        "plugins.dataset": "Dataset Source",
        "plugins.model": "Model Training last_layer",
        "plugins.regulariser": "Attached AttachedTerm Penalty Regulariser check_strength",
        "pruning.analysis": "analyse resize",
        "pruning.layers": "ChannelPad",
        "pruning.network": "Group Network",
        "pruning.removal": "remove",
        "pruning.selection": "Ranking",
        "pruning.unit_weights": "UnitWeights unit_weights",
        "records.record": "Record",
        "scoring.oracle": "loss_changes",
        "scoring.score": "score",
        "study.networks": "load",
        "training.gates": "Gates open_probability",
    }.items()
    for name in names.split()
}

__all__ = [*_HOMES, "__version__"]
__version__ = version("prunebench")


def __getattr__(name: str) -> Any:
    """Import a public name from its own module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'prunebench' has no attribute '{name}'")
    value = getattr(import_module(f"prunebench.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, for tab completion."""
    return sorted(__all__)
