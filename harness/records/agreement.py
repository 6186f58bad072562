"""How far two results of one point may differ: not at all where equal machines made them, else by what rounding does.

Kernel sets and numbers of threads round the last digits otherwise, and training amplifies this. On digits x LeNet-5 it
moved losses by up to 14 % and accuracies by up to 2 % of the pictures. So the limits are narrower than the worst case.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from prunebench.records.fidelity import Fidelity
from prunebench.records.record import Record

LOSS = 0.1  # of a loss, of a regulariser's term and of the largest score
PICTURES = 0.01  # of the test pictures, but at least one picture
_LATER = ("dense_per_image", "weight_counts")  # fields that older results of one key do not have
_OF_DRAWS = ("selection.error", "selection.within_error", "selection.otherwise")  # counts may differ by one unit, too
_FREE = (  # they follow from the network
    *("curves.", "per_image.predicted.", "per_image.loss.", "per_image.correct.", "sparse.gates."),
    *("dense_per_image.", "weight_counts.0.near_zero", "weight_counts.1.near_zero"),
    *("weight_counts.0.layers.", "weight_counts.1.layers."),
    *("pushed.both", "change.", "selection.constant", "selection.by_lot"),
)


def differences(one: Record | Fidelity, other: Record | Fidelity) -> list[tuple[str, str, str]]:
    """List the fields in which two results of one key contradict each other, with both values."""
    facts = [point.facts() for point in (one, other)]
    _drop_layers(facts)
    old = {name for name in _LATER if any(some.get(name) is None for some in facts)}
    first, second = (
        dict(_leaves({name: value for name, value in some.items() if name not in old}, "")) for some in facts
    )
    unequal = [name for name in dict.fromkeys((*first, *second)) if _text(first, name) != _text(second, name)]
    if isinstance(one, Record) and isinstance(other, Record) and _machine(one) != _machine(other):
        step = _step(one)
        unequal = [name for name in unequal if not _close(name, first.get(name), second.get(name), step)]
    if isinstance(one, Fidelity) and isinstance(other, Fidelity):
        unequal = [name for name in unequal if not name.startswith("groups.") or not _alike(one, other)]
    return [(name, _text(first, name), _text(second, name)) for name in unequal]


def _drop_layers(facts: Sequence[dict[str, Any]]) -> None:
    """Drop the counts by layer, in place, where older results do not have them."""
    counts = [one for some in facts for one in some.get("weight_counts") or ()]
    if not all(one["layers"] for one in counts):
        for one in counts:
            del one["layers"]


def _leaves(data: Any, name: str) -> Iterator[tuple[str, Any]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list | tuple) else None
    if items is None:
        yield name, data
        return
    for key, value in items:
        yield from _leaves(value, f"{name}.{key}" if name else str(key))


def _text(leaves: dict[str, Any], name: str) -> str:
    """Write a value so that a text of nan equals itself."""
    text = json.dumps(leaves[name]) if name in leaves else "missing"
    return text if len(text) <= 40 else f"{text[:37]}..."


def _machine(record: Record) -> object:
    e = record.environment
    return e and (e.versions, e.device, e.cpu, e.kernels, e.threads)


def _step(record: Record) -> float:
    pictures = record.per_image.pictures if record.per_image else 0
    return max(PICTURES, 1 / pictures if pictures else 0.0)


def _close(name: str, one: Any, other: Any, step: float) -> bool:
    if name.startswith(_FREE):
        return True
    if not (isinstance(one, float | int) and isinstance(other, float | int)):
        return False
    if name.startswith(("accuracy.", "top5.")):
        return abs(one - other) <= step * (1 + 1e-9)
    if name in _OF_DRAWS:
        return abs(one - other) <= max(LOSS * max(one, other), 1 if isinstance(one, int) else 0)
    return name.startswith(("loss.", "sparse.")) and abs(one - other) <= LOSS * max(abs(one), abs(other))


def _alike(one: Fidelity, other: Fidelity) -> bool:
    """Tell whether two fidelities compare the same units, with scores and truths that differ by rounding."""
    if [(name, group.units) for name, group in one.groups.items()] != [
        (name, group.units) for name, group in other.groups.items()
    ]:
        return False
    pairs = [(one.scores(name), other.scores(name)) for name in one.groups]
    pairs += [pair for name in one.groups for pair in zip(one.halves(name), other.halves(name), strict=True)]
    return all(np.abs(a - b).max() <= LOSS * max(np.abs(a).max(), np.abs(b).max()) for a, b in pairs)
