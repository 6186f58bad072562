"""Finds a network's tensors among those of a file, by their names."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from prunebench.checkpoints.reading import State, listed, refused
from prunebench.records.validation import short

# the key of the state dict, in this order where several fit
PLACES = (
    *("state_dict", "model_state_dict", "model", "net", "network", "params"),
    *("params_ema", "ema_state_dict", "state_dict_ema", "model_ema", "ema"),
)
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}  # around a network or a part
COUNTER = "num_batches_tracked"  # BatchNorm uses its counter only where its momentum is None
_BOOKKEEPING = (COUNTER, "total_ops", "total_params", "n_averaged")  # of BatchNorm, FLOP counters, averaged weights
_STATISTICS = ("running_mean", "running_var")
_SHOWN = 4  # networks in a message


@dataclass(frozen=True)
class Found:
    """The tensors of one state dict, by the network's names. place: their prefix in the file, with its dot.

    beside: names in the same state dict that do not have the prefix. also: other prefixes that fit as well.
    """

    state: State
    place: str
    beside: tuple[str, ...]
    also: tuple[str, ...]


def find(given: State, own: Collection[str], needed: Collection[str], path: Path) -> Found:
    """Find the place in a file that has most of the needed names.

    own: all names of the network. needed: those that a file must have.

    Raises `UserError` where two places fit equally well and `PLACES` does not prefer one.
    """
    names, plain = _unwrapped(own), _unwrapped(given)
    counts = Counter(place for name in plain for place, rest in _cuts(name) if names.get(rest) in needed)
    place, *also = sorted(_most(counts), key=_rank) or [f"{p}." for p in PLACES if _within(plain, f"{p}.")] or [""]
    if counts[place] < len(needed) or not needed:
        also = []
    if also and _rank(also[0]) == _rank(place):
        both = " and ".join(short(p.rstrip(".")) for p in (place, *also)[:_SHOWN])
        raise refused(path, f"has several networks that fit: {both}; save the state dict of one alone")
    inside = [name for name in _within(plain, place) if not name.startswith(tuple(also))]
    state = {names.get(name[len(place) :], name[len(place) :]): given[plain[name]] for name in inside}
    top = f"{place.partition('.')[0]}."
    beside = [n for n in _within(plain, top) if n not in inside] if top[:-1] in PLACES else []
    return Found(state, place, tuple(beside), tuple(also))


def _most(counts: Mapping[str, int]) -> list[str]:
    return [place for place, count in counts.items() if count == max(counts.values())]


def _within(names: Collection[str], place: str) -> list[str]:
    return [name for name in names if name.startswith(place)]


def _unwrapped(names: Collection[str]) -> dict[str, str]:
    """Map each name without its wrappers to the name itself; names that would become equal stay whole."""
    result: dict[str, str] = {}
    for name in names:
        bare = ".".join(part for part in name.split(".") if part not in WRAPPERS)
        result[name if bare in result else bare] = name
    return result


def _cuts(name: str) -> list[tuple[str, str]]:
    """Cut a name at each dot: `a.b` into ('', 'a.b') and ('a.', 'b')."""
    starts = [0, *(number + 1 for number, letter in enumerate(name) if letter == ".")]
    return [(name[:start], name[start:]) for start in starts]


def _rank(place: str) -> list[int]:
    return [PLACES.index(part) if part in PLACES else len(PLACES) for part in place.split(".")[:-1]]


def notes(found: Found) -> list[str]:
    """Say what else in the file fits, and what in the same state dict was not read."""
    where = f"read under {found.place.rstrip('.') or 'no key'}"
    told = [f"{where}; this fits as well: {listed([place.rstrip('.') for place in found.also])}"] * bool(found.also)
    others = [key for key in found.beside if not key.endswith(_BOOKKEEPING) and not key.startswith(found.also)]
    return told + [f"{where}; not read: {listed(others)}"] * bool(others)


def check_names(missing: Collection[str], unknown: Collection[str], path: Path, name: str) -> None:
    """Raise `UserError` with the names that are missing in a file, and those that the network does not have."""
    unknown = [key for key in unknown if not key.endswith(_BOOKKEEPING)]
    if not missing and not unknown:
        return
    parts = [f"missing: {listed(missing)}"] * bool(missing) + [f"left over: {listed(unknown)}"] * bool(unknown)
    what = f"has another architecture than {name}"
    cure = f"give a checkpoint of {name}, or the model of this checkpoint"
    if not unknown and all(key.endswith(_STATISTICS) for key in missing):
        what, cure = "has no running statistics of BatchNorm", "save model.state_dict(), which has its buffers"
    raise refused(path, f"{what}: {'; '.join(parts)}; {cure}")
