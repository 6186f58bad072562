"""PruneBench: compare pruning criteria on CNNs.

The package is lazy: importing it does not import torch, so a report can be made where there is none.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

_HOMES = {
    "Criterion": "criterion",
    "ModelScore": "criterion",
    "Ranking": "criterion",
    "Penalty": "regulariser",
    "Dataset": "dataset",
    "Model": "model",
    "Network": "network",
    "analyse": "units",
    "load": "saving",
    "resize": "removal",
    "Record": "record",
    "UserError": "errors",
}

__all__ = [*_HOMES, "__version__"]
__version__ = version("prunebench")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prunebench' has no attribute '{name}'")
    return getattr(import_module(f"prunebench.{_HOMES[name]}"), name)
