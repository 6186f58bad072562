"""Implements `prunebench new criterion`: writes a file that passes the check, with a formula to replace."""

import importlib.util
import keyword
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from string import Template

from prunebench.errors import UserError, unknown
from prunebench.plugins.criterion import EVIDENCE
from prunebench.plugins.registry import RESERVED, Registry

NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Start:
    """A formula to start from. shapes: of its arguments. example: arguments of the doctest. result: their score."""

    title: str
    formula: str
    shapes: str
    example: tuple[str, ...]
    result: str


_FAN_IN = "(units, fan_in)"
_POSITIONS = "(batch, units, positions...)"
STARTS = {
    "weight": Start(
        "the mean absolute weight of a unit",
        "weight.abs().mean(dim=1)",
        _FAN_IN,
        ("[[1.0, -3.0], [0.0, 1.0]]",),
        "[2.0, 0.5]",
    ),
    "grad": Start(
        "the first-order change of the loss without a unit",
        "(weight * grad).sum(dim=1).abs()",
        _FAN_IN,
        ("[[1.0, -3.0], [0.0, 1.0]]", "[[2.0, 1.0], [5.0, -4.0]]"),
        "[1.0, 4.0]",
    ),
    "curvature": Start(
        "the second-order change of the loss without a unit",
        "0.5 * (curvature * weight.square()).sum(dim=1)",
        _FAN_IN,
        ("[[1.0, -3.0], [0.0, 1.0]]", "[[2.0, 1.0], [5.0, 4.0]]"),
        "[5.5, 2.0]",
    ),
    "activation": Start(
        "the mean absolute activation of a unit",
        "activation.abs().reshape(*activation.shape[:2], -1).mean(dim=(0, 2))",
        _POSITIONS,
        ("[[[1.0, 3.0], [0.0, 1.0]]]",),
        "[2.0, 0.5]",
    ),
}

FILE = Template('''"""$name: $title (here: author, venue, year, equation)."""

from torch import Tensor

from prunebench import Criterion


def $name($typed) -> Tensor:
    """Give $title.

    $given: $shapes. Returns (units,); low = remove first.

    >>> import torch
    >>> $name($example).tolist()
    $result
    """
    return $formula


CRITERION = Criterion($name, reference="")
''')


def new_criterion(name: str, folder: Path, evidence: str = "weight") -> str:
    """Write NAME.py into a folder. Returns the commands that come next.

    Raises `UserError` for a name that cannot be used, and for a file that already exists.
    """
    if evidence not in STARTS:
        raise unknown("evidence", evidence, STARTS, where="--evidence")
    path = folder / f"{name}.py"
    _check_name(name)
    if path.exists():
        raise UserError(f"{path} already exists; choose another name or folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(_text(name, evidence))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    return _next_steps(name, path)


def _check_name(name: str) -> None:
    what = f"'{name}' cannot be the name of a new criterion:"
    if not NAME.fullmatch(name) or name.startswith("_") or keyword.iskeyword(name):
        raise UserError(f"{what} use lower-case letters, digits and _, as in a Python function name")
    if name in RESERVED or name in EVIDENCE:
        raise UserError(f"{what} PruneBench reserves this word; choose another")
    taken = Registry().criteria.get(name)
    if taken is not None:
        raise UserError(f"{what} {taken.origin} defines one; choose another")
    if importlib.util.find_spec(name) is not None:
        raise UserError(f"{what} Python has a module '{name}', which the file would hide; choose another")


def _text(name: str, evidence: str) -> str:
    start = STARTS[evidence]
    given = ["weight", evidence] if len(start.example) == 2 else [evidence]
    return FILE.substitute(
        name=name,
        title=start.title,
        typed=", ".join(f"{one}: Tensor" for one in given),
        given=", ".join(given),
        shapes=start.shapes,
        example=", ".join(f"torch.tensor({numbers})" for numbers in start.example),
        result=start.result,
        formula=start.formula,
    )


def _next_steps(name: str, path: Path) -> str:
    file = shlex.quote(str(path))
    return f"""{path} is written. Replace its formula by yours, then:
  prunebench check {file}
  python -m doctest {file}
  prunebench run --plugin {file} --criteria "{name} magnitude random" --results {name}-results
  prunebench report {name}-results -o {name}-report"""
