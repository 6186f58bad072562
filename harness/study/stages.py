"""Plans a trajectory as data: the stages that lead to a point, and the key of each."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, Literal, TypeVar

from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.expressions import Method
from prunebench.plugins.identity import identity
from prunebench.records.names import RANDOM, Metric
from prunebench.records.protocol import PROTOCOL_VERSION, Protocol
from prunebench.records.store_files import TRIAL
from prunebench.study.store import encode, key_of

CURVATURE_VERSION = 3  # increase this when the evidence `curvature` changes: only scores that use it get new keys
JOINT_VERSION = 2  # increase this when the joint evidence of coupled groups changes
ACTIVATION_VERSION = 1  # increase this when activations, or the `gamma` of a unit, are taken at other places
REPAIR_VERSION = 1  # increase this when a repair gives other networks


def score_facts(score: AnyCriterion | None) -> dict[str, Any]:
    """Return the facts that decide scores besides network and data."""
    facts: dict[str, Any] = {"score": identity(score)}
    if score is not None and "curvature" in score.needs:
        facts["curvature"] = CURVATURE_VERSION
    if score is not None and score.coupling == "joint" and score.needs:
        facts["joint"] = JOINT_VERSION
    if score is not None and ("activations" in score.needs or "gamma" in score.evidence):
        facts["activation"] = ACTIVATION_VERSION
    return facts


@cache
def packages() -> dict[str, str]:
    """Return the versions of the packages that decide results."""
    return {name: version(name) for name in ("torch", "torchvision", "torch-pruning")}


T = TypeVar("T")
Kind = Literal["dense", "sparse", "rung", "point"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One step from dense to pruned.

    keep: the keep that a rung or point is cut to; 1 where nothing is cut. copies: the stage whose widths a control
    copies. beside: the plain sparse training whose choice of units is compared with a regulariser's. regularised:
    whether sparse training has a regulariser. trial: whether the stage belongs to a sweep or tuning alone; such stages
    never read test pictures.
    """

    kind: Kind
    label: str
    key: str
    epochs: int
    keep: float = 1.0
    parent: "Stage | None" = None
    copies: "Stage | None" = None
    beside: "Stage | None" = None
    regularised: bool = False
    trial: bool = False

    def chain(self) -> "list[Stage]":
        """List the stages from the dense one to this one."""
        return [*(self.parent.chain() if self.parent else []), self]

    def needs(self) -> "list[Stage]":
        """List the stages whose networks this stage reads."""
        return [stage for stage in (self.parent, self.copies, self.beside) if stage is not None]

    def origins(self) -> "list[Stage]":
        """List the stages that this stage comes from, itself last; some may stand there twice."""
        return [*(one for near in self.needs() for one in near.origins()), self]

    def on_trial(self, kinds: Container[str]) -> "Stage":
        """Return the same stage for a trial. Stages of these kinds get keys of their own, apart from those of runs."""
        if self.kind not in kinds:
            return self
        parent = self.parent.on_trial(kinds) if self.parent else None
        beside = self.beside.on_trial(kinds) if self.beside else None
        return replace(self, key=TRIAL + self.key, parent=parent, beside=beside, trial=True)


class Once:
    """Makes a thing once for each method. Methods of one name may differ, and an id is of a living object alone."""

    def __init__(self) -> None:
        self._made: dict[Any, tuple[Method, Any]] = {}

    def __call__(self, what: Any, method: Method, make: Callable[[], T]) -> T:
        """Return what was made under this name for a method, or make it."""
        place = what, id(method)
        if place not in self._made:
            self._made[place] = method, make()
        found: T = self._made[place][1]
        return found

    def forget(self) -> None:
        """Forget everything that was made."""
        self._made.clear()


@dataclass(frozen=True)
class StagePlan:
    """Plans the trajectories of one block. What several points share is planned once.

    block: JSON facts of task, data, seed and device type. metric: the budget metric of the keeps. texts: encoded facts,
    which the blocks of a task may share. once: the stages of methods.
    """

    protocol: Protocol
    block: dict[str, Any]
    metric: Metric
    texts: Once = field(default_factory=Once, repr=False, compare=False)
    once: Once = field(default_factory=Once, repr=False, compare=False)

    def dense(self) -> Stage:
        """Plan the block's one dense training."""
        return self._dense

    @cached_property
    def _dense(self) -> Stage:
        facts = {
            "block": self.block,
            "packages": packages(),
            "protocol": PROTOCOL_VERSION,
            **self._options(*_DENSE, *_START, *_TRAINING),
        }
        if self.protocol.weights:
            facts["weights"] = self.protocol.weights.rpartition(" ")[2]  # the digest alone: a file may be renamed
        epochs = self.protocol.frozen_epochs + (self.protocol.epochs or 0)
        return Stage("dense", "dense", key_of("", facts), epochs)

    def sparse(self, method: Method) -> Stage:
        """Plan sparse training. All criteria without a regulariser share one plain training per block."""
        dense, epochs = self.dense(), self.protocol.sparse_epochs
        key = key_of(dense.key, self.texts("sparse", method, lambda: encode(self._facts_of_sparse(method))))
        return Stage("sparse", "sparse", key, epochs, parent=dense, regularised=method.before is not None)

    def _facts_of_sparse(self, method: Method) -> dict[str, Any]:
        facts = {"sparse": identity(method.before), **self._options("sparse_epochs", "sparse_rate")}
        if method.before is not None and not self.protocol.coupled:  # a regulariser leaves coupled groups alone
            facts["coupled"] = False
        return facts

    def point(self, method: Method, keep: float) -> Stage:
        """Plan the stages that lead to a requested keep."""
        if method.kind == "scratch":
            return self._scratch(method, keep)
        rungs = self.protocol.rungs_above(keep)
        epochs = self.protocol.finetune_epochs
        if self.protocol.restart:
            parent, epochs = self._trunk(method, 0), epochs + self.protocol.epochs_of_rungs(rungs)
        else:
            parent = self._trunk(method, rungs)
        return self._cut("point", method, parent, "finetune", keep=keep, epochs=epochs)

    def _plain(self, method: Method) -> Stage | None:
        """Plan the plain sparse training beside a regulariser's; None where no choice of units could differ by it."""
        score = method.score
        if method.before is None or score is None or not self.protocol.sparse_epochs:
            return None
        if "gate" in score.evidence or score.name == RANDOM:
            return None
        return self._unregularised

    @cached_property
    def _unregularised(self) -> Stage:
        return self.sparse(_PLAIN)

    def _trunk(self, method: Method, rungs: int) -> Stage:
        return self.once(rungs, method, lambda: self._rung(method, rungs))

    def _rung(self, method: Method, number: int) -> Stage:
        if not number:
            return self.sparse(method.of if method.of is not None else method)
        keep, epochs = self.protocol.rung_keep(number), self.protocol.epochs_at(number)
        parent = self._trunk(method, number - 1)
        return self._cut("rung", method, parent, f"rung {number}", keep=keep, epochs=epochs)

    def _cut(self, kind: Kind, method: Method, parent: Stage, label: str, *, keep: float, epochs: int) -> Stage:
        copies = self._copied(kind, label, method, keep)
        own = {"kind": kind, "epochs": epochs, "keep": keep}
        if copies is None:
            facts = self.texts((kind, epochs, keep), method, lambda: encode(own | self._facts_of_cuts(method)))
        else:
            facts = encode(own | {"shuffled": copies.key} | self._facts_of_cuts(method))
        beside = self.once("plain", method, lambda: self._plain(method)) if kind == "point" else None
        return Stage(kind, label, key_of(parent.key, facts), epochs, keep, parent, copies, beside)

    def _facts_of_cuts(self, method: Method) -> dict[str, Any]:
        """Return the facts that all cuts of a method share."""
        facts = self._options("finetune_rate")
        if method.kind == "criterion":
            facts |= {**score_facts(method.score), "metric": self.metric, **self._options(*_SELECTION)}
            if not self.protocol.coupled:  # scores see no unit that stays, which may change their draws
                facts["ranked"] = "groups that may be pruned"
        elif method.kind != "shuffle":  # a control re-estimates BatchNorm with the calibration pictures
            facts |= self._options(*_CALIBRATION)
        if self.protocol.repair != "none":
            facts |= {**self._options("repair"), "repair_version": REPAIR_VERSION}
        return facts | {"after": identity(method.after)}

    def _copied(self, kind: str, label: str, method: Method, keep: float) -> Stage | None:
        if method.kind != "shuffle" or method.of is None:
            return None
        original = self.point(method.of, keep)
        return original if kind == "point" else self._trunk(method.of, int(label.split()[1]))

    def _scratch(self, method: Method, keep: float) -> Stage:
        assert method.of is not None
        copies = self.point(method.of, keep)
        epochs = self.dense().epochs + self.protocol.epochs_after(keep)
        key = key_of(self.dense().key, {"scratch": copies.key, "epochs": epochs})
        return Stage("point", "scratch", key, epochs, keep, self.dense(), copies)

    def _options(self, *names: str) -> dict[str, Any]:
        return self.protocol.facts(*names)


_PLAIN = Method("plain")
_START = ("normalise", "frozen_epochs", "frozen_rate")
_DENSE = ("epochs", "batch", "rate", "weight_decay", "train_fraction", "validation_fraction", "mixed_precision", "tf32")
_TRAINING = ("optimiser", "constant_rate")  # of every stage
_CALIBRATION = ("calibration", "calibration_batch")
# what decides the scores of a dense network
SCORING = (*_DENSE, *_START, *_TRAINING, "weights", *_CALIBRATION, "coupled")
_SELECTION = ("units", "ranking", "normalise_scores", "coupled", "floor", "round_to", *_CALIBRATION)
