"""PruneBench: compare pruning criteria on CNNs.

The package is lazy: importing it does not import torch, so a report can be made where there is none.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

_HOMES = {
    "Criterion": "plugins.criterion",
    "ModelScore": "plugins.criterion",
    "Ranking": "pruning.selection",
    "Penalty": "plugins.regulariser",
    "Dataset": "plugins.dataset",
    "Model": "plugins.model",
    "Network": "pruning.network",
    "analyse": "pruning.analysis",
    "load": "study.networks",
    "resize": "pruning.analysis",
    "Record": "records.record",
    "UserError": "errors",
}

__all__ = [*_HOMES, "__version__"]
__version__ = version("prunebench")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prunebench' has no attribute '{name}'")
    return getattr(import_module(f"prunebench.{_HOMES[name]}"), name)
