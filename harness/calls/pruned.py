"""What was removed from a network, kept with the network itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tabulate import tabulate
from torch import Tensor, nn

from prunebench.errors import UserError, kind_of
from prunebench.pruning.network import why_kept
from prunebench.records.record import Cost, StageValues

_WORDS = {"weights": "single weights", "macs": "MACs", "params": "parameters", "units": "units"}


@dataclass(frozen=True, eq=False)
class Pruned:
    """The facts of a pruned network: `network.pruned`, or `Pruned.of(network)` for type checkers.

    criterion: as it was given. dense, cost: MACs for one picture, parameters, units and bytes, before and now.
    widths: output units of every convolution and linear layer, (dense, now). kept: original numbers (units,) of the
    remaining units, by group. masks: where single weights were removed, true for those that stay, by layer. weights:
    their numbers by layer, (dense, now). blocks: names of the removed residual blocks. accuracy: of the record, where
    the network comes from a run. fixed: layers that keep their units, each with the reason; not known of a run.
    """

    criterion: str
    dense: Cost
    cost: Cost
    widths: Mapping[str, tuple[int, int]]
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    weights: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    accuracy: StageValues | None = None
    blocks: tuple[str, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, network: nn.Module) -> "Pruned":
        """Return the facts of a network that `prune` or `Results.network` gave. Raises `UserError` for another one."""
        found = vars(network).get("pruned")
        if not isinstance(found, cls):
            raise UserError(f"{kind_of(network)} without facts of pruning; give what `prune` returned")
        return found

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one picture."""
        return self.cost.macs

    @property
    def params(self) -> int:
        """Number of parameters; removed single weights are not counted."""
        return self.cost.params

    def facts(self) -> dict[str, Any]:
        """Give costs, keeps and accuracy as JSON values, for the folder of an export."""
        counts = {name: (getattr(self.dense, name), getattr(self.cost, name)) for name in ("macs", "params", "units")}
        if self.weights:
            dense, now = (sum(column) for column in zip(*self.weights.values(), strict=True))
            counts["weights"] = (dense, now)
        facts = {
            "criterion": self.criterion,
            "dense": self.dense.model_dump(mode="json"),
            "pruned": self.cost.model_dump(mode="json"),
            "keep": {name: now / before for name, (before, now) in counts.items()},
        }
        facts |= {"removed_blocks": list(self.blocks)} if self.blocks else {}
        return facts | ({"accuracy": self.accuracy.model_dump(mode="json")} if self.accuracy else {})

    def __str__(self) -> str:
        from prunebench.reports.formatting import as_multiple, percent  # pandas takes its time

        counts = [(name, getattr(self.dense, name), getattr(self.cost, name)) for name in ("macs", "params", "units")]
        if self.weights:
            dense, now = (sum(column) for column in zip(*self.weights.values(), strict=True))
            counts = [("weights", dense, now), *counts]
        rows = [
            [_WORDS[name], f"{before:,}", f"{now:,}", percent(now / before, 1), as_multiple(before / now)]
            for name, before, now in counts
        ]
        text = tabulate(rows, [self.criterion, "dense", "pruned", "kept", "ratio"], disable_numparse=True)
        lines = [text, f"widths: {_changed(self.widths)}"]
        if self.blocks:
            lines = [text, f"residual blocks removed: {', '.join(self.blocks)}"]
        lines += why_kept(self.fixed)
        if self.weights:
            lines.append(f"weights: {_changed(self.weights)}")
        if self.accuracy:
            after = f"dense {percent(self.accuracy.dense)}, pruned and fine-tuned {percent(self.accuracy.finetuned)}"
            lines.append(f"accuracy: {after}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def _changed(counts: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{layer} {now}/{dense}" for layer, (dense, now) in counts.items() if now < dense) or "as before"


def with_facts(network: nn.Module, facts: Pruned) -> nn.Module:
    """Attach the facts to their network, as `network.pruned`."""
    network.pruned = facts  # type: ignore[assignment]
    return network
