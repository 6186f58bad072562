"""Scores of a criterion that is called on one layer, or one coupled group, and one batch at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prunebench.errors import CellError
from prunebench.plugins.criterion import EVIDENCE, AnyCriterion, Criterion
from prunebench.plugins.guard import called
from prunebench.pruning.network import Group, Network, weight_of
from prunebench.scoring.evidence import GATED, constant, gather
from prunebench.scoring.hooks import ACTIVATION, NORMED
from prunebench.scoring.inputs import input_norms
from prunebench.scoring.places import pads, producers
from prunebench.scoring.single_weights import WeightView

Batches = Sequence[tuple[Tensor, Tensor]]
Evidence = Mapping[str, Tensor]


@dataclass(frozen=True)
class LayerScores:
    """Calls a score on each part of a network: a layer, or a group where its layers are scored jointly.

    watched: whether to refuse a score that changes its evidence, which the next batch needs again.
    """

    criterion: Criterion
    network: Network
    generator: torch.Generator
    watched: bool

    def compute(self, batches: Batches) -> dict[str, Tensor]:
        """Score the units (units,) of every part: the mean over samples, then `finish`."""
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
        """Give the evidence that is the same for every batch, by part."""
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
            raise CellError(f"{where} changes its evidence {' and '.join(changed)} in place; a score changes nothing")
        return scores

    def _parts(self, layers: Mapping[str, Evidence]) -> dict[str, Evidence]:
        if isinstance(self.network, WeightView):
            return {layer: self.network.show(layer, layers[layer]) for layer in producers(self.network)}
        if self.criterion.coupling != "joint":
            return {layer: layers[layer] for layer in producers(self.network)}
        return {group.name: self._together(group, layers) for group in self.network.table.groups}

    def _together(self, group: Group, layers: Mapping[str, Evidence]) -> Evidence:
        """Concatenate each kind of evidence over a group's layers (and over a unit's positions in each)."""
        sources, shortcuts = self._sources(group), pads(self.network, group)
        joint = {}
        for name in layers[sources[0]]:
            axis = 1 if EVIDENCE[name] == "activations" else 0
            writers = [*sources, *(shortcuts if name in NORMED | ACTIVATION else ())]
            pieces = [piece for layer in writers for piece in self._pieces(group, layer, layers[layer][name], axis)]
            joint[name] = torch.cat(pieces, dim=axis + 1) if len(pieces) > 1 else pieces[0]
        return joint

    def _pieces(self, group: Group, layer: str, value: Tensor, axis: int) -> list[Tensor]:
        """Show the group's units at each of their positions in a layer, (units, any) or (batch, units, any)."""
        everything = torch.arange(value.shape[axis])
        pieces = []
        for positions in self.network.positions(group, layer).unbind(1):
            alone = torch.equal(positions.cpu(), everything)
            piece = value if alone else value.index_select(axis, positions.to(value.device))
            pieces.append(piece.reshape(*piece.shape[: axis + 1], -1))
        return pieces

    def _sources(self, group: Group) -> list[str]:
        """Layers whose evidence is joined for a group.

        A unit is removed once. So where a score is a change of the loss, what scales the unit to zero stands after each
        layer that writes it, but not before a depthwise convolution that alone reads it, too: it would act a second
        time on the way.
        """
        passed = self.network.table.depthwise.values() if GATED & set(self.criterion.evidence) else ()
        return [layer for layer in group.producers if layer not in passed]

    def _template(self, part: str) -> Tensor:
        if isinstance(self.network, WeightView):
            return self.network.kept_weights(part)
        if self.criterion.coupling == "joint":
            return torch.empty(self.network.units[part], device=self.network.device)
        return unit_template(self.network, part)


def unit_template(network: Network, layer: str) -> Tensor:
    """Give a tensor of the shape and device of a layer's scores."""
    weight = weight_of(network, layer)
    return weight.new_empty(len(weight))


def checked(
    criterion: AnyCriterion, part: str, template: Tensor, compute: Callable[[], Tensor], *, more: bool = False
) -> Tensor:
    """Compute scores; whatever is wrong with them is said with the names of criterion and layer.

    template: (units,), shows shape and device. more: allow (units, ...), of which `finish` makes (units,).
    """
    where = f"criterion '{criterion.label}' on layer '{part}'"
    with torch.no_grad():
        values = called(where, compute)
    if not isinstance(values, Tensor):
        raise CellError(f"{where} gives a {type(values).__name__}, not a tensor")
    if values.shape != template.shape and not (more and values.shape[:1] == template.shape):
        raise CellError(f"{where} gives scores of shape {tuple(values.shape)}, not {tuple(template.shape)}")
    if values.device != template.device:
        raise CellError(f"{where} gives scores on {values.device}, not on {template.device}")
    if not values.is_floating_point():
        raise CellError(f"{where} gives scores of {values.dtype}, not of floating-point numbers")
    if not values.sum().isfinite() and not values.isfinite().all():  # a sum is quickly taken, but may overflow
        raise CellError(f"{where} gives {int((~values.isfinite()).sum())} scores that are not finite")
    return values.detach()
