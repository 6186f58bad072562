"""The record of a criterion: what it asks for, its options, and what is said about bad ones."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from prunebench.errors import UserError
from prunebench.plugins.criterion import EVIDENCE, Criterion, ModelScore
from prunebench.plugins.regulariser import Penalty
from prunebench.pruning.selection import Ranking


def saliency(weight: Tensor, grad: Tensor, *, power: float = 2.0, signed: bool = False) -> Tensor:
    return (weight * grad).sum(1) ** power * (-1 if signed else 1)


def curved(weight: Tensor, curvature: Tensor) -> Tensor:
    return (weight * curvature).sum(1)


def norm(weight: Tensor, *, eps: float = 0.0) -> Tensor:
    return weight.abs().sum() + eps


def test_the_name_evidence_and_passes_come_from_the_function() -> None:
    record = Criterion(saliency)
    assert (record.name, record.evidence, record.needs) == ("saliency", ("weight", "grad"), {"gradients"})
    assert Criterion(norm).needs == frozenset()
    assert Criterion(curved).needs == {"curvature"}
    assert Criterion(saliency, name="other").name == "other"


def test_a_record_calls_its_score_with_what_it_asks_for() -> None:
    evidence = {"weight": torch.tensor([[1.0, 2.0]]), "grad": torch.tensor([[3.0, 1.0]]), "bias": None}
    assert Criterion(saliency)(evidence).tolist() == [25.0]
    changed = Criterion(saliency).with_options({"power": "1", "signed": "true"})
    assert changed(evidence).tolist() == [-5.0]
    assert changed.label == "saliency:power=1,signed=true"


def test_what_readers_are_given_belongs_to_a_whole_group() -> None:
    def masked(read: Tensor, read_grad: Tensor) -> Tensor:
        return (read * read_grad).flatten(2).sum(2).square().mean(0)

    assert Criterion(masked, coupling="joint").evidence == ("read", "read_grad")
    with pytest.raises(UserError, match="evidence 'read' with coupling='sum': it is of the layers that read"):
        Criterion(masked)


def test_unknown_evidence_is_refused_when_the_record_is_made() -> None:
    def wishful(weight: Tensor, hessian: Tensor) -> Tensor:
        return weight

    with pytest.raises(UserError, match="unknown evidence 'hessian' in criterion 'wishful'; known: activation, "):
        Criterion(wishful)
    with pytest.raises(UserError, match="unknown curvature 'fisher'"):
        Criterion(curved, curvature="fisher")
    assert set(EVIDENCE.values()) == {"none", "inputs", "gradients", "activations", "curvature"}


def test_curvature_is_an_option_where_it_is_used() -> None:
    record = Criterion(curved).with_options({"curvature": "exact"})
    assert (record.curvature, record.label) == ("exact", "curved:curvature=exact")
    with pytest.raises(UserError, match="unknown curvature 'exakt' in 'curved'; did you mean 'exact'"):
        Criterion(curved).with_options({"curvature": "exakt"})
    with pytest.raises(UserError, match="unknown option 'curvature' in 'saliency'"):
        Criterion(saliency).with_options({"curvature": "exact"})


def test_options_of_the_regulariser_are_options_of_the_criterion() -> None:
    record = Criterion(saliency, Penalty(norm, strength=1.0)).with_options(
        {"strength": "2", "eps": "0.5", "power": "3"}
    )
    assert record.regulariser is not None
    assert record.regulariser.strength == 2.0
    assert record.label == "saliency:eps=0.5,power=3,strength=2"
    with pytest.raises(UserError, match="unknown option 'strenght' in 'saliency'; did you mean 'strength'"):
        Criterion(saliency, Penalty(norm, strength=1.0)).with_options({"strenght": "2"})
    with pytest.raises(UserError, match="option power=x of 'saliency' must be a number"):
        Criterion(saliency).with_options({"power": "x"})


def test_a_regularisers_own_complaint_names_the_criterion() -> None:
    with pytest.raises(UserError, match=r"^'saliency': strength=-2: "):
        Criterion(saliency, Penalty(norm, strength=1.0)).with_options({"strength": "-2"})


def test_a_model_score_has_three_arguments() -> None:
    def good(model: Any, batches: Any, generator: Any, *, rounds: int = 3) -> Any:
        return {}

    def bad(model: Any, data: Any) -> Any:
        return {}

    assert ModelScore(good).with_options({"rounds": "5"}).label == "good:rounds=5"
    both = ModelScore(good, regulariser=Penalty(norm, 0.1)).with_options({"rounds": "5", "strength": "0.2"})
    assert both.label == "good:rounds=5,strength=0.2"
    assert both({}, [], torch.Generator()) == {} and both.regulariser == Penalty(norm, 0.2)
    assert ModelScore(good).needs == {"gradients"} and not ModelScore(good, data_free=True).needs
    with pytest.raises(UserError, match=r"must take \(model, batches, generator\) or .*, not \(model, data\)"):
        ModelScore(bad)


def test_a_record_that_cannot_be_meant_is_refused_when_it_is_made() -> None:
    def late(weight: Tensor, power: float = 2.0) -> Tensor:
        return weight.norm(dim=1) ** power

    def bare(weight: Tensor, *, power: float) -> Tensor:
        return weight.norm(dim=1) ** power

    def anything(*weight: Tensor) -> Tensor:
        return weight[0]

    def whole(model: Any, batches: Any, generator: Any, rounds: int = 1) -> dict[str, Tensor]:
        return {}

    class Weak:
        def attach(self, network: Any, generator: Any) -> Any: ...

    cases: list[tuple[Any, str]] = [
        (lambda: Criterion(3), "criterion '': the score is an int; give a function"),  # type: ignore[arg-type]
        (lambda: Criterion(late), "criterion 'late': argument 'power' has a default; put options after a \\*"),
        (lambda: Criterion(bare), "criterion 'bare': option 'power' of the score has no default; give it one"),
        (lambda: Criterion(anything), r"criterion 'anything': the score takes \*weight: "),
        (lambda: Criterion(curved, scale="los"), "scale 'los' in criterion 'curved'; did you mean 'loss'"),  # type: ignore[arg-type]
        (lambda: Criterion(curved, coupling="summ"), "coupling 'summ' .* did you mean 'sum'"),  # type: ignore[arg-type]
        (lambda: ModelScore(whole), "model score 'whole': argument 'rounds' has a default"),
        (lambda: Criterion(norm, published="global"), "published='global' must be a Ranking"),  # type: ignore[arg-type]
        (lambda: Criterion(norm, regulariser=3), "its regulariser is an int without `attach`"),  # type: ignore[arg-type]
        (lambda: Criterion(norm, regulariser=Weak()), "its regulariser has no number `strength`"),  # type: ignore[arg-type]
        (lambda: Ranking("locl"), "unknown ranking 'locl' in a published ranking; did you mean 'local'"),  # type: ignore[arg-type]
        (lambda: Ranking("local", "l3"), "unknown normalise 'l3'"),  # type: ignore[arg-type]
    ]
    for make, message in cases:
        with pytest.raises(UserError, match=message):
            make()


@pytest.mark.parametrize(
    ("kind", "draws", "number"), [("sampled", "2", 2.0), ("sampled", "0.25", 0.25), ("hutchinson", "10", 10.0)]
)
def test_draws_are_an_option_where_something_is_drawn(kind: str, draws: str, number: float) -> None:
    record = Criterion(curved).with_options({"curvature": kind, "draws": draws})
    assert record.estimate.draws == number
    assert record.label == f"curved:curvature={kind},draws={draws}"


def test_draws_have_defaults() -> None:
    assert Criterion(curved).estimate.draws == 0.5
    assert Criterion(curved).with_options({"draws": "3"}).estimate.draws == 3
    assert Criterion(curved).with_options({"curvature": "hutchinson"}).estimate.draws == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"curvature": "exact", "draws": "3"},
            "draws=3 of 'curved': curvature=exact draws no vectors; use draws with curvature=sampled",
        ),
        ({"curvature": "hutchinson", "draws": "1.5"}, "draws=1.5 of 'curved' must be a whole number"),
        ({"draws": "0"}, "draws=0 of 'curved' must be more than 0"),
        ({"draws": "1001"}, "draws=1001 of 'curved' must be at most 1000"),
        ({"draws": "nan"}, "draws=nan of 'curved' must be a number"),
        ({"draws": "few"}, "option draws=few of 'curved' must be a number"),
    ],
)
def test_draws_that_mean_nothing_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Criterion(curved).with_options(given)


def test_a_dataclass_that_can_change_is_refused() -> None:
    @dataclass
    class Plain:
        strength: float = 1.0

        def attach(self, network: Any, generator: Any) -> Any: ...

        def __call__(self, weight: Tensor) -> Tensor:
            return weight

    for part in ("score", "regulariser"):
        what = rf"^criterion 'x': the {part} is a Plain, a dataclass that can change; use @dataclass\(frozen=True\)"
        with pytest.raises(UserError, match=what):
            Criterion(**{"score": norm, part: Plain()}, name="x")
