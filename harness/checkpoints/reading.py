"""Reads the tensors of a checkpoint file; nothing in the file is run."""

import argparse
import re
import struct
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from prunebench.errors import UserError, kind_of, printable
from prunebench.records.validation import short

State = dict[str, Tensor]
_TORN = "cannot be read as a checkpoint: not written by torch.save, or truncated; save it again"
_SHOWN = 8  # names in a message
_DEPTH = 6  # dicts within dicts
_MOST = 100_000  # entries: dicts that hold one another many times list billions


def _plain_dict(*_: Any) -> dict[Any, Any]:
    """Stand for `defaultdict`, which torch does not fill."""
    return {}


# What stands beside state dicts: arguments, scores and optimisers of a training. None of it can run code.
_RECONSTRUCT, _SCALAR = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [
    *(argparse.Namespace, SimpleNamespace, dict, list, int, float, np.dtype, np.ndarray),
    *(PosixPath, WindowsPath, PurePosixPath, PureWindowsPath),
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),  # of NumPy 1 and 2
    *((_RECONSTRUCT, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    (_plain_dict, "collections.defaultdict"),
]


def read_tensors(path: Path) -> State:
    """Read all tensors of a file. The keys of nested dicts are joined with dots, as in `state_dict.conv1.weight`.

    The suffix `.safetensors` means safetensors, any other suffix ``torch.save``. Pickled objects are refused.

    Raises:
        UserError: the file is missing or unreadable, or has no tensors.
    """
    content = _read(path)
    if not isinstance(content, Mapping):
        raise refused(path, f"holds {kind_of(content)}, not a state dict; save model.state_dict()")
    found = {}
    for number, (name, value) in enumerate(_entries(content, "", _DEPTH)):
        if number == _MOST:
            raise refused(path, f"has more than {_MOST} entries; save model.state_dict()")
        if isinstance(value, Tensor):
            found[name] = value
    if not found:
        keys = listed([name for key in content if (name := _name(key))]) or "none"
        raise refused(
            path, f"has no state dict: there are no tensors in it; its keys are {keys}; save model.state_dict()"
        )
    return found


def refused(path: Path, what: str) -> UserError:
    """Make the error for a checkpoint that cannot be used."""
    return UserError(printable(f"--weights {path}: {what}"))


def listed(names: Collection[str]) -> str:
    """List the first names, each up to a length.

    >>> listed(["a", 100 * "b"]), listed(["a"] * 9)
    ('a, bbb...bbb...', 'a, a, a, a, a, a, a, a and 1 more')
    """
    shown = ", ".join(map(short, list(names)[:_SHOWN]))
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _name(key: object) -> str:
    """Name a key; empty where it is neither a text nor a number of usual size."""
    return str(key) if isinstance(key, str) or (isinstance(key, int) and key.bit_length() < 64) else ""


def _entries(content: Mapping[Any, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield all entries of nested dicts with their names, arrays as tensors."""
    for key, value in content.items():
        name = f"{before}{_name(key)}"
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.dtype.isnative:
            value = torch.from_numpy(value)
        yield name, value
        if isinstance(value, Mapping) and depth:
            yield from _entries(value, f"{name}.", depth - 1)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise refused(path, "no such file; give a checkpoint file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings(action="ignore"):  # of odd tensors
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise refused(path, _not_plain(error)) from None
    except (EOFError, LookupError, AssertionError, struct.error):  # torch asserts that an old file's storages are whole
        raise refused(path, _TORN) from None
    except MemoryError:
        raise refused(path, "asks for more memory than there is; save model.state_dict()") from None
    except Exception as error:  # a hostile file makes classes of numpy and torch raise anything
        if "TorchScript" in str(error):
            raise refused(path, "is a TorchScript archive, which holds code; save model.state_dict()") from None
        raise refused(path, f"cannot be read as a checkpoint: {short(_first_line(error), 300)}") from None


def _not_plain(error: UnpicklingError) -> str:
    if not any(word in str(error) for word in ("GLOBAL", "allowlisted", "Can only")):
        return _TORN
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    what = f"pickled objects ({found[1]})" if found else "pickled objects"
    cure = "where it was made, run torch.save(model.state_dict(), FILE)"
    return f"holds {what}, which are refused as they can run code; {cure}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
