"""The field of a race: the criteria that start, and those that cannot."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import torch

from prunebench.errors import CellError, UserError, reason
from prunebench.plugins.criterion import AnyCriterion, ModelScore
from prunebench.plugins.expressions import Method, parse_method
from prunebench.plugins.registry import load_registry
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import lowest
from prunebench.pruning.verification import SIDE
from prunebench.records.names import RANDOM
from prunebench.reports.language.message import Message, code, joined, say
from prunebench.reports.ordering import BASELINE
from prunebench.scoring.layers import Batches
from prunebench.seeding import generator
from prunebench.study.grid import find_device, prepare_task
from prunebench.study.spec import Spec
from prunebench.study.task import Task

REFERENCES = (BASELINE, RANDOM)  # confirmed without a race
_PICTURES = 2  # that a trial scoring sees: whether a criterion can score shows on the fewest that BatchNorm takes
_UNITS = 8  # that every group keeps in a trial, at the least


@dataclass(frozen=True)
class Field:
    """The criteria that race, in order, and why others do not: by name."""

    criteria: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    def absent(self) -> list[Message]:
        """Say in one line for each reason which criteria do not race.

        >>> Field((), {"l1": "no time", "l2": "no time"}).absent()
        ['Not in the race: `l1`, `l2`: no time.']
        """
        names: dict[str, list[str]] = {}
        for name, why in self.left_out.items():
            names.setdefault(why, []).append(code(name))
        return [say("Not in the race: {names}: {why}.", names=joined(ours), why=why) for why, ours in names.items()]


def find_field(spec: Spec, apart: Collection[str] = REFERENCES) -> Field:
    """Return the criteria that `--criteria` names; by default all that need no options and that the model supports.

    apart: criteria that do not race, because they are confirmed anyway. A regulariser needs a strength that is
    tuned to the task, so by default criteria with a regulariser are left out, and `costly` ones. Data-free criteria
    come first.

    Raises `UserError` for controls, and where no criterion is left.
    """
    if "criteria" in spec.model_fields_set:
        return Field(_named(spec, apart))
    known = load_registry(spec.plugin)
    methods = [parse_method(name, known) for name in known.criteria if name not in apart]
    trial = _Trial(spec, prepare_task(spec, *spec.pairs[0]), find_device(spec.device))
    reasons = {method.name: _why_not(trial, method) for method in methods}
    left = [method for method in methods if not reasons[method.name]]
    if not left:
        raise UserError("no criterion can score this network; name some with --criteria to see why")
    ordered = sorted(left, key=lambda method: (bool(method.score and method.score.needs), method.name))
    return Field(tuple(m.name for m in ordered), {name: why for name, why in reasons.items() if why})


def _named(spec: Spec, apart: Collection[str]) -> tuple[str, ...]:
    known = load_registry(spec.plugin)
    methods = [parse_method(text, known) for text in spec.criteria]
    for method in methods:
        if method.kind != "criterion":
            what = "a control says what a criterion adds and is no choice itself"
            raise UserError(f"--criteria {method.name}: {what}; leave it out, `{RANDOM}` is confirmed anyway")
    names = tuple(dict.fromkeys(method.name for method in methods if method.name not in apart))
    if not names:
        what = (
            "no criterion beside the references" if BASELINE in apart else f"no criterion beside the control `{RANDOM}`"
        )
        raise UserError(f"--criteria {' '.join(spec.criteria)}: {what}; name one more")
    return names


def _why_not(trial: "_Trial", method: Method) -> str:
    """Say why a criterion cannot race by default; empty where it can."""
    if method.before is not None or method.after is not None:
        return say("its regulariser needs a strength tuned to the task")
    assert method.score is not None
    by_block = trial.spec.units == "blocks" and isinstance(method.score, ModelScore) and method.score.of_blocks
    if method.score.costly and not by_block:
        return say("its scores may cost more than the training; name it to let it race")
    return trial.problem(method.score)


@dataclass
class _Trial:
    """Scores the task's network with every criterion once.

    A narrow copy of the network and small pictures come first: a score that works there works on all. One that fails
    there is tried as the run would begin.
    """

    spec: Spec
    ready: Task
    device: torch.device
    _narrow: tuple[Network, Batches] | None = None

    def problem(self, criterion: AnyCriterion) -> str:
        """Say why a criterion cannot score the network; empty where it can."""
        with suppress(Exception):
            self._narrow = self._narrow or self._narrowed()
            self._score(criterion, *self._narrow)
            return ""
        self._narrow = None  # a failed score may have changed it
        try:
            self._score(criterion, self.ready.fresh(0, self.device), self._batches())
        except (CellError, UserError) as error:
            return str(error)
        except Exception as error:  # a broken plugin leaves the field, as it fails its own cells in a run
            return reason(error)
        return ""

    def _score(self, criterion: AnyCriterion, network: Network, batches: Batches) -> None:
        structure = self.ready.structure(self.spec.keep.metric)
        structure.score(criterion, network, batches, generator(0, "support"))

    def _batches(self) -> Batches:
        return self.ready.some_data(_PICTURES, self.device).calibration.batches(_PICTURES)

    def _narrowed(self) -> tuple[Network, Batches]:
        dense, [(pictures, labels)] = self.ready.fresh(0, self.device), self._batches()
        least = {name: max(_UNITS, lowest(units, self.ready.rule)) for name, units in dense.units.items()}
        gone = {name: torch.arange(least[name], units) for name, units in dense.units.items() if least[name] < units}
        return remove(dense, gone), [(pictures[..., :SIDE, :SIDE], labels)]


def confirmed_names(finalists: Sequence[str]) -> tuple[str, ...]:
    """Return what is confirmed: the finalists and the references.

    >>> confirmed_names(["taylor"])
    ('taylor', 'magnitude', 'random')
    """
    return (*finalists, *REFERENCES)
