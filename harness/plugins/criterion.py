"""Pruning criteria: a pure score function, and a frozen dataclass that says how its scores are used.

Axes, everywhere: a score sees a prunable layer as ``weight: (units, fan_in)`` and returns ``(units,)``. Units with low
scores are removed first.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import Field
from torch import Generator, Tensor

from prunebench.curvature.kinds import CURVATURES, DRAWS, Curvature, CurvatureKind
from prunebench.errors import UserError, check_choice, kind_of
from prunebench.plugins.options import Option, Options, Value, convert, function_options, label
from prunebench.plugins.regulariser import Regulariser, regulariser_options, with_values
from prunebench.pruning.selection import Ranking

Scale = Literal["loss", "arbitrary"]
Coupling = Literal["sum", "mean", "first", "joint"]
Pass = Literal["none", "inputs", "gradients", "curvature", "activations"]

EVIDENCE: dict[str, Pass] = {
    "weight": "none",  # (units, fan_in)
    "bias": "none",  # (units,), zeros where the layer has no bias
    "gamma": "none",  # (units,), weight of the BatchNorm that follows, or largest |weight| of those that read
    "gate": "none",  # (units,), log alpha of the unit's hard-concrete gate
    "generator": "none",  # a seeded torch.Generator
    "input_norm": "inputs",  # (units, fan_in), l2 norm over all batches of the input that each weight multiplies
    "grad": "gradients",  # (units, fan_in), gradient of the batch's mean loss
    "bias_grad": "gradients",  # (units,), gradient of the batch's mean loss
    "output": "activations",  # (batch, units, positions...), the layer's own output
    "output_grad": "activations",  # same shape, gradient of each sample's own loss
    "normed": "activations",  # (batch, units, positions...), after BatchNorm, before the nonlinearity
    "normed_grad": "activations",  # same shape, gradient of each sample's own loss
    "activation": "activations",  # (batch, units, positions...), after BatchNorm and nonlinearity
    "activation_grad": "activations",  # same shape, gradient of each sample's own loss
    "feature_map": "activations",  # as `activation`; on a residual stream, after its addition and nonlinearity
    "read": "activations",  # (batch, units, positions...), what the layers that read the unit are given; joint only
    "read_grad": "activations",  # same shape, gradient of each sample's own loss by what this reader is given
    "curvature": "curvature",  # (units, fan_in), a diagonal of the loss's curvature, mean over samples
    "bias_curvature": "curvature",  # (units,)
}
DRAW_KINDS = {"sampled": Annotated[float, Field(gt=0, le=1000)], "hutchinson": Annotated[int, Field(ge=1, le=1000)]}


@dataclass(frozen=True)
class Criterion:
    """A published method that scores units; docs/how-to/own-criterion.md has complete examples.

    Args:
        score: pure function. Its positional arguments name the evidence that it asks for (see `EVIDENCE`). Its
            keyword-only arguments are options with defaults. Returns ``(units,)``, low = remove first. A score that
            asks for data is called once per calibration batch, and the results are averaged by sample count. A
            score that asks for no data, or for `input_norm` alone, is called once.
        regulariser: the regulariser of sparse training, if the method has one.
        name: the name in the registry; by default the name of the score function.
        scale: ``loss`` if scores are changes of the loss or their squares, else ``arbitrary``. Scores on the loss
            scale are comparable between layers.
        coupling: how the scores of a coupled group's layers are joined. ``joint`` calls the score once, with the
            layers' weights (and gradients) concatenated along fan_in.
        finish: function ``(units,) -> (units,)``, called per layer with the average over batches. With `finish`,
            the score may return ``(units, ...)``: the quantities to average before the score is computed.
        published: the ranking that the paper itself uses.
        curvature: which of `CURVATURES` the evidence `curvature` holds.
        reference: author, venue, year, equation.
        units_only: whether the score is for whole units only, even if single weights have its evidence.
        costly: whether the score of a wide network may cost more than its training. `choose` then leaves the criterion
            out unless it is named.
    """

    score: Callable[..., Tensor]
    regulariser: Regulariser | None = None
    name: str = ""
    scale: Scale = "arbitrary"
    coupling: Coupling = "sum"
    finish: Callable[[Tensor], Tensor] | None = None
    published: Ranking = field(default_factory=Ranking)
    curvature: CurvatureKind = "sampled"
    reference: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)
    units_only: bool = False
    costly: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", getattr(self.score, "__name__", ""))
        where = f"criterion '{self.name}'"
        _check_function(where, self.score)
        for name in self.evidence:
            check_choice(where, "evidence", name, EVIDENCE)
        check_choice(where, "curvature", self.curvature, CURVATURES)
        check_choice(where, "scale", self.scale, get_args(Scale))
        check_choice(where, "coupling", self.coupling, get_args(Coupling))
        if self.coupling != "joint" and (read := [name for name in self.evidence if name in ("read", "read_grad")]):
            what = "it is of the layers that read a group's units, not of those that write them; set coupling='joint'"
            raise UserError(f"{where}: evidence '{read[0]}' with coupling='{self.coupling}': {what}")
        _check_published(where, self.published)
        _check_regulariser(where, self.regulariser)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Names of the evidence that the score asks for."""
        parameters = inspect.signature(self.score).parameters.values()
        return tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)

    @property
    def needs(self) -> frozenset[Pass]:
        """The passes over data that the evidence requires; empty for a data-free criterion."""
        return frozenset(EVIDENCE[name] for name in self.evidence) - {"none"}

    @property
    def label(self) -> str:
        """Name with the given options, as the user types it."""
        return label(self.name, self.options)

    @property
    def estimate(self) -> Curvature:
        """The curvature that the score asks for, with its number of draws."""
        return Curvature(self.curvature, float(self.options.get("draws", 0)))

    @property
    def own_options(self) -> Options:
        """The options of the score and of its curvature; all other options belong to the regulariser."""
        own = function_options(self.score)
        if "curvature" in self.needs:
            own["curvature"] = Option(CurvatureKind, self.curvature)
            if self.curvature in DRAW_KINDS:
                own["draws"] = Option(DRAW_KINDS[self.curvature], DRAWS[self.curvature])
        return own

    def __call__(self, evidence: Mapping[str, Any]) -> Tensor:
        """Score the units of one layer. evidence: tensors by name. Returns (units,)."""
        own = {name: value for name, value in self.options.items() if name in function_options(self.score)}
        return self.score(**{name: evidence[name] for name in self.evidence}, **own)

    def with_options(self, given: Mapping[str, str]) -> "Criterion":
        """Set options of the score, its curvature and the regulariser by name."""
        kind = given.get("curvature", self.curvature)
        if "curvature" in self.needs and kind in CURVATURES and kind != self.curvature:
            options = {name: value for name, value in self.options.items() if name != "draws"}
            base = replace(self, curvature=kind, options=options)
        else:
            base = self
        if "draws" in given and "curvature" in self.needs and base.curvature not in DRAWS:
            what = f"curvature={kind} draws no vectors; use draws with curvature={' or '.join(DRAWS)}"
            raise UserError(f"option draws={given['draws']} of '{self.name}': {what}")
        return _with_options(base, given)


C = TypeVar("C", "Criterion", "ModelScore")


def _with_options(criterion: C, given: Mapping[str, str]) -> C:
    regulariser, own = criterion.regulariser, criterion.own_options
    allowed = own if regulariser is None else regulariser_options(regulariser) | own
    values = convert(criterion.name, given, allowed)
    of_regulariser = {name: value for name, value in values.items() if name not in own}
    if regulariser is not None and of_regulariser:
        try:
            regulariser = with_values(regulariser, of_regulariser)
        except UserError as error:
            raise UserError(f"'{criterion.name}': {error}") from None
    return replace(criterion, regulariser=regulariser, options={**criterion.options, **values})


def _check_function(where: str, function: Callable[..., Any]) -> None:
    """Raise `UserError` unless a score is a function of evidence without defaults and options with defaults."""
    if not callable(function):
        raise UserError(f"{where}: the score is {kind_of(function)}; give a function")
    _check_frozen(where, "score", function)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UserError(f"{where}: the score takes {parameter}; name each argument")
        option, default = parameter.kind is parameter.KEYWORD_ONLY, parameter.default is not parameter.empty
        if option and not default:
            raise UserError(f"{where}: option '{parameter.name}' of the score has no default; give it one")
        if default and not option:
            what = "put options after a *, and give evidence no default"
            raise UserError(f"{where}: argument '{parameter.name}' has a default; {what}")


def _check_regulariser(where: str, regulariser: object) -> None:
    if regulariser is None:
        return
    if not callable(getattr(regulariser, "attach", None)):
        raise UserError(f"{where}: its regulariser is {kind_of(regulariser)} without `attach`; give it one")
    _check_frozen(where, "regulariser", regulariser)
    if not isinstance(getattr(regulariser, "strength", None), int | float):
        raise UserError(f"{where}: its regulariser has no number `strength`; give it a field `strength: float`")


def _check_frozen(where: str, part: str, thing: object) -> None:
    """Refuse a plain dataclass: its options could change after the keys of results were made."""
    parameters = getattr(type(thing), "__dataclass_params__", None)
    if parameters is not None and not parameters.frozen:
        kind = type(thing).__name__
        raise UserError(f"{where}: the {part} is a {kind}, a dataclass that can change; use @dataclass(frozen=True)")


def _check_published(where: str, published: object) -> None:
    if not isinstance(published, Ranking):
        raise UserError(f"{where}: published={published!r} must be a Ranking, such as Ranking('global')")


def scores_whole_models(function: Callable[..., Any]) -> bool:
    """Tell by its arguments whether a function scores a whole model at once, not one layer.

    >>> def grasp(model, batches, generator, *, temperature=200.0): ...
    >>> scores_whole_models(grasp), scores_whole_models(lambda weight: weight.sum(1))
    (True, False)
    """
    wanted = list(inspect.signature(function).parameters)[:3]
    return wanted in (["model", "batches", "generator"], ["network", "batches", "generator"])


@dataclass(frozen=True)
class ModelScore:
    """The second contract: a method that scores a whole network at once (SynFlow, GraSP).

    Args:
        score: ``(model, batches, generator) -> {layer name: (units,)}``. Batches are (pictures, labels) pairs. A
            first argument `network` receives the `prunebench.pruning.network.Network`, with the table of units.
        data_free: whether the score ignores the batches, so that the list of batches may be empty.
        of_blocks: ``(network, without, batches, generator) -> (blocks,)`` scores residual blocks. `without` yields,
            once, the networks that lack one block each. It is given the options of the score, by their names. By
            default, a block's score is the sum over its units.
    The other fields are those of `Criterion`.
    """

    score: Callable[..., Mapping[str, Tensor]]
    name: str = ""
    scale: Scale = "arbitrary"
    coupling: Literal["sum", "mean", "first"] = "sum"
    published: Ranking = field(default_factory=Ranking)
    reference: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)
    regulariser: Regulariser | None = None
    data_free: bool = False
    costly: bool = False
    of_blocks: Callable[..., Tensor] | None = None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", getattr(self.score, "__name__", ""))
        where = f"model score '{self.name}'"
        _check_function(where, self.score)
        check_choice(where, "scale", self.scale, get_args(Scale))
        check_choice(where, "coupling", self.coupling, set(get_args(Coupling)) - {"joint"})
        _check_published(where, self.published)
        _check_regulariser(where, self.regulariser)
        wanted = list(inspect.signature(self.score).parameters)[:3]
        if not scores_whole_models(self.score):
            takes = "(model, batches, generator) or (network, batches, generator)"
            raise UserError(f"{where} must take {takes}, not ({', '.join(wanted)})")
        if self.of_blocks is not None:
            _check_function(f"{where}: of_blocks", self.of_blocks)
            given, options = list(inspect.signature(self.of_blocks).parameters), list(self.own_options)
            if given != (right := ["network", "without", "batches", "generator", *options]):
                raise UserError(f"{where}: of_blocks must take ({', '.join(right)}), not ({', '.join(given)})")

    @property
    def label(self) -> str:
        """Name with the given options."""
        return label(self.name, self.options)

    @property
    def own_options(self) -> Options:
        """The options of the score; all other options belong to the regulariser."""
        return function_options(self.score)

    @property
    def evidence(self) -> tuple[str, ...]:
        """What the score is given: the whole model."""
        return ("model",)

    @property
    def needs(self) -> frozenset[Pass]:
        """The passes over data: gradients, unless the score is data-free."""
        return frozenset() if self.data_free else frozenset({"gradients"})

    def with_options(self, given: Mapping[str, str]) -> "ModelScore":
        """Set options of the score and of the regulariser by name."""
        return _with_options(self, given)

    def __call__(self, subject: object, batches: Sequence[tuple[Tensor, Tensor]], generator: Generator) -> Any:
        """Score all layers of a model (or network) with the given options."""
        return self.score(subject, batches, generator, **self._given)

    def score_blocks(
        self,
        network: object,
        without: Iterable[object],
        batches: Sequence[tuple[Tensor, Tensor]],
        generator: Generator,
    ) -> Tensor:
        """Score blocks by `of_blocks` with the options of the score. without: networks that lack one block each."""
        assert self.of_blocks is not None
        defaults = {name: option.default for name, option in self.own_options.items()}
        return self.of_blocks(network, without, batches, generator, **defaults | self._given)

    @property
    def _given(self) -> dict[str, Value]:
        return {name: value for name, value in self.options.items() if name in self.own_options}


AnyCriterion = Criterion | ModelScore
