"""Scores of a criterion, called on one layer (or one coupled group) and one batch at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prunebench.errors import CellError, kind_of
from prunebench.plugins.criterion import EVIDENCE, AnyCriterion, Criterion
from prunebench.plugins.guard import called
from prunebench.pruning.network import Group, Network, Side, weight_of
from prunebench.scoring.evidence import GATED, constant, gather
from prunebench.scoring.hooks import ACTIVATION, NORMED, READ
from prunebench.scoring.inputs import input_norms
from prunebench.scoring.places import pads, producers, readers
from prunebench.scoring.single_weights import WeightView

Batches = Sequence[tuple[Tensor, Tensor]]
Evidence = Mapping[str, Tensor]


@dataclass(frozen=True)
class LayerScores:
    """Calls a score on each part of a network: on each layer, or on each group for a ``joint`` score.

    watched: whether to refuse a score that changes its evidence; the next batch needs the evidence again.
    """

    criterion: Criterion
    network: Network
    generator: torch.Generator
    watched: bool

    def compute(self, batches: Batches) -> dict[str, Tensor]:
        """Score the units of every part: (units,), the mean over samples, then `finish`."""
        means = self._means(batches)
        finish = self.criterion.finish
        if finish is None:
            return means
        return {
            part: checked(self.criterion, part, mean.reshape(len(mean), -1)[:, 0], partial(finish, mean))
            for part, mean in means.items()
        }

    def _means(self, batches: Batches) -> dict[str, Tensor]:
        fixed = self._fixed(batches)
        if self.criterion.needs <= {"inputs"}:
            return {part: self._scored(part, evidence).clone() for part, evidence in fixed.items()}
        totals: dict[str, Tensor] = {}
        for batch in batches:
            for part, values in self._one_batch(fixed, batch).items():
                weighted = values * len(batch[1])
                totals[part] = totals[part].add_(weighted) if part in totals else weighted
        samples = sum(len(labels) for _, labels in batches)
        return {part: total / samples for part, total in totals.items()}

    def _fixed(self, batches: Batches) -> dict[str, Evidence]:
        """Return the evidence that is the same for every batch, by part."""
        names = frozenset(name for name in self.criterion.evidence if EVIDENCE[name] == "none")
        layers = {layer: constant(self.network, layer, names) for layer in producers(self.network)}
        if "inputs" in self.criterion.needs:
            for layer, norm in input_norms(self.network, batches).items():
                layers[layer]["input_norm"] = norm
        return self._parts(layers)

    def _one_batch(self, fixed: Mapping[str, Evidence], batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        criterion = self.criterion
        names = frozenset(name for name in criterion.evidence if EVIDENCE[name] not in ("none", "inputs"))
        moving = self._parts(gather(self.network, names, batch, self.generator, criterion.estimate))
        return {part: self._scored(part, {**fixed[part], **moving[part]}) for part in fixed}

    def _scored(self, part: str, evidence: Evidence) -> Tensor:
        versions = {name: value._version for name, value in evidence.items()}
        given, more = {**evidence, "generator": self.generator}, self.criterion.finish is not None
        scores = checked(self.criterion, part, self._template(part), partial(self.criterion, given), more=more)
        changed = [name for name, value in evidence.items() if value._version != versions[name]]
        if changed and self.watched:
            where = f"criterion '{self.criterion.label}' on layer '{part}'"
            raise CellError(f"{where} changes its evidence {' and '.join(changed)} in place; change a copy instead")
        return scores

    def _parts(self, layers: Mapping[str, Evidence]) -> dict[str, Evidence]:
        if isinstance(self.network, WeightView):
            return {layer: self.network.show(layer, layers[layer]) for layer in producers(self.network)}
        if self.criterion.coupling != "joint":
            return {layer: layers[layer] for layer in producers(self.network)}
        return {group.name: self._joined(group, layers) for group in self.network.table.groups}

    def _joined(self, group: Group, layers: Mapping[str, Evidence]) -> Evidence:
        """Concatenate each kind of evidence over a group's layers, and over a unit's positions in each layer."""
        joint = {}
        for name in dict.fromkeys(name for evidence in layers.values() for name in evidence):
            axis = 1 if EVIDENCE[name] == "activations" else 0
            parts = []
            for layer, side in self._sides(group, name).items():
                parts += self._by_position(self.network.positions(group, layer, side), layers[layer][name], axis)
            joint[name] = torch.cat(parts, dim=axis + 1) if len(parts) > 1 else parts[0]
        return joint

    def _sides(self, group: Group, name: str) -> dict[str, Side]:
        """Name the layers that have a kind of evidence for a group's units, each with the side of the positions."""
        if name in READ:
            return readers(self.network, group)
        shortcuts = pads(self.network, group) if name in NORMED | ACTIVATION else ()
        return dict.fromkeys([*self._joint_layers(group), *shortcuts], "out")

    @staticmethod
    def _by_position(index: Tensor, value: Tensor, axis: int) -> list[Tensor]:
        """Select a group's units at each of their positions in a layer: (units, any) or (batch, units, any)."""
        in_order = torch.arange(value.shape[axis])
        selections = []
        for positions in index.unbind(1):
            whole_layer = torch.equal(positions.cpu(), in_order)
            selected = value if whole_layer else value.index_select(axis, positions.to(value.device))
            selections.append(selected.reshape(*selected.shape[: axis + 1], -1))
        return selections

    def _joint_layers(self, group: Group) -> list[str]:
        """Layers whose evidence a joint score concatenates for a group.

        First-order evidence (`GATED`) stands for a gate after each layer that writes the unit. A depthwise convolution
        that alone reads a layer passes the unit on. Gates after both would scale the unit twice, so the layer before
        the depthwise convolution is left out.
        """
        passed_on = self.network.table.depthwise.values() if GATED & set(self.criterion.evidence) else ()
        return [layer for layer in group.producers if layer not in passed_on]

    def _template(self, part: str) -> Tensor:
        if isinstance(self.network, WeightView):
            return self.network.kept_weights(part)
        if self.criterion.coupling == "joint":
            return torch.empty(self.network.units[part], device=self.network.device)
        return unit_template(self.network, part)


def unit_template(network: Network, layer: str) -> Tensor:
    """Return a tensor with the shape and device of a layer's scores."""
    weight = weight_of(network, layer)
    return weight.new_empty(len(weight))


def checked(
    criterion: AnyCriterion, part: str, template: Tensor, compute: Callable[[], Tensor], *, more: bool = False
) -> Tensor:
    """Compute scores. Raises `CellError` with criterion and layer for a wrong shape, type, device or value.

    part: name of the layer; empty for the scores of residual blocks.
    template: (units,), with the expected shape and device. more: allow (units, ...), which `finish` reduces.
    """
    where = f"criterion '{criterion.label}'" + (f" on layer '{part}'" if part else ": of_blocks")
    with torch.no_grad():
        values = called(where, compute)
    if not isinstance(values, Tensor):
        raise CellError(f"{where} gives {kind_of(values)}, not a tensor")
    if values.shape != template.shape and not (more and values.shape[:1] == template.shape):
        raise CellError(f"{where} gives scores of shape {tuple(values.shape)}, not {tuple(template.shape)}")
    if values.device != template.device:
        raise CellError(f"{where} gives scores on {values.device}, not on {template.device}")
    if not values.is_floating_point():
        raise CellError(f"{where} gives scores of {values.dtype}, not of floating-point numbers")
    if not values.sum().isfinite() and not values.isfinite().all():  # the sum is a fast first test, but may overflow
        raise CellError(f"{where} gives {int((~values.isfinite()).sum())} scores that are not finite")
    return values.detach()
