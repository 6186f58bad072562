"""Forms and alignments of the block penalties: loops, finite differences, and which units each alignment shrinks."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from prunebench.criteria.exclusive_sparsity import exclusive_sparsity
from prunebench.criteria.group_l12 import group_l12
from prunebench.criteria.group_lasso import group_lasso
from prunebench.criteria.hsqgl12 import hierarchical_squared_group_l12
from prunebench.errors import UserError
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import get_criterion, load_registry
from prunebench.plugins.regulariser import Penalty
from prunebench.pruning.network import Network
from prunebench.testing import toys

PENALTIES = {"group_lasso": group_lasso, "exclusive_sparsity": exclusive_sparsity, "group_l12": group_l12}
INNER: dict[str, Callable[[list[float]], float]] = {  # of the weights of a group or of a block
    "group_lasso": lambda values: math.sqrt(sum(v * v for v in values)),
    "exclusive_sparsity": lambda values: sum(map(abs, values)) ** 2,
    "group_l12": lambda values: math.sqrt(sum(map(abs, values))),
}
FORMS = ("plain", "square-rooted", "squared")
ALIGNMENTS = ("feature-wise", "neuron-wise")


def weights(units: int = 4, inputs: int = 3) -> Tensor:
    return torch.randn(units, inputs, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by_loops(name: str, weight: Tensor, form: str, alignment: str) -> float:
    units, inputs, _ = weight.shape
    total = 0.0
    for group in range(inputs if alignment == "feature-wise" else units):
        rows = weight[:, group] if alignment == "feature-wise" else weight[group]
        blocks: list[list[float]] = rows.tolist()
        if form == "plain":
            total += INNER[name]([value for block in blocks for value in block])
        else:
            inner = sum(INNER[name](block) for block in blocks)
            total += math.sqrt(inner) if form == "square-rooted" else inner**2
    return total


@pytest.mark.parametrize("name", PENALTIES)
def test_the_score_is_the_norm_of_a_unit(name: str) -> None:
    scores = get_criterion(name, load_registry(()))({"weight": torch.tensor([[3.0, -4.0], [0.0, 1.0]])})
    assert scores.tolist() == [5.0, 1.0]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PENALTIES)
def test_every_form_is_its_definition(name: str, form: str, alignment: str) -> None:
    function, weight = PENALTIES[name], weights()
    expected = by_loops(name, weight, form, alignment)
    options = {"form": form, "alignment": alignment}
    assert float(function(weight, **options, eps=0.0)) == pytest.approx(expected, rel=1e-12)  # type: ignore[arg-type]
    assert float(function(weight, **options)) == pytest.approx(expected, rel=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_are_finite_differences_and_finite_at_zero(name: str, form: str, alignment: str) -> None:
    def function(weight: Tensor) -> Tensor:
        return PENALTIES[name](weight, form=form, alignment=alignment)  # type: ignore[arg-type]

    weight = weights().requires_grad_()
    assert torch.autograd.gradcheck(function, (weight,), eps=1e-7, atol=1e-6)
    some = weights()
    some[0], some[:, 1], some[2, 2, 3] = 0.0, 0.0, 0.0
    for start in (torch.zeros(4, 3, 5), some.float(), some):
        start.requires_grad_()
        (gradient,) = torch.autograd.grad(function(start), start)
        assert gradient.isfinite().all()
        assert not gradient[start == 0].any()


def test_alignments_swap_outputs_and_inputs() -> None:
    for name, function in PENALTIES.items():
        swapped = weights().transpose(0, 1)
        for form in FORMS:
            one = function(weights(), form=form, alignment="feature-wise")  # type: ignore[arg-type]
            other = function(swapped, form=form, alignment="neuron-wise")  # type: ignore[arg-type]
            assert float(one) == pytest.approx(float(other), rel=1e-12), (name, form)


def test_hsqgl12_is_the_squared_form_of_group_l12_mixed_with_l1() -> None:
    for alignment in ALIGNMENTS:
        squared = float(group_l12(weights(), form="squared", alignment=alignment))  # type: ignore[arg-type]
        mixed = hierarchical_squared_group_l12(weights(), alignment=alignment, mix=0.25)  # type: ignore[arg-type]
        assert float(mixed) == pytest.approx(0.25 * squared + 0.75 * float(weights().abs().sum()), rel=1e-12)


@torch.no_grad()
def _weak_unit_and_weak_input() -> Network:
    """Make output 1 and input 2 of the second convolution weaker than the others."""
    network = toys.chain()
    weight = network.layer("2").get_parameter("weight")
    weight.copy_(torch.ones_like(weight))
    weight[1] *= 0.2
    weight[:, 2] *= 0.2
    return network


@pytest.mark.parametrize(("alignment", "unit_norms"), [("feature-wise", (0, 2)), ("neuron-wise", (1, 1))])
def test_which_units_an_alignment_shrinks(alignment: str, unit_norms: tuple[int, int]) -> None:
    network = _weak_unit_and_weak_input()
    axis, weakest = unit_norms  # group 0 of the table writes what layer 2 reads, group 2 is what layer 2 writes
    group = network.table.groups[axis]
    side = "in" if alignment == "feature-wise" else "out"
    assert ("2", side) in {(piece.layer, piece.side) for piece in group.slices}

    rule = Penalty(group_lasso, 1.0, options=(("alignment", alignment),))
    attached = rule.attach(network, torch.Generator())
    weight = network.layer("2").get_parameter("weight")
    optimiser = torch.optim.SGD([weight], lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        attached.penalty().backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def norms(dim: int) -> Tensor:
        return weight.detach().transpose(0, dim).flatten(1).norm(dim=1)

    of_groups = norms(1) if alignment == "feature-wise" else norms(0)
    assert of_groups.argmin() == weakest
    assert of_groups[weakest] < 0.03  # one step
    assert of_groups.sort().values[1] > 1
    others = norms(0) if alignment == "feature-wise" else norms(1)
    assert others.min() > 0.1  # the other alignment's weak group is still there


def test_a_wrong_form_or_alignment_is_refused_by_name() -> None:
    known = load_registry(())
    for text in ("group_lasso:form=square", "hsqgl12:alignment=feature", "obd+group_l12:form=cubed"):
        with pytest.raises(UserError, match=r"unknown (form|alignment) '\w+' in '\w+';.* Known: "):
            parse_method(text, known)
    name = "group_lasso:alignment=neuron-wise,form=squared+obd"
    assert parse_method(name, known).name == name


@pytest.mark.parametrize("name", ["l1", "group_lasso", "exclusive_sparsity", "l2", "group_l12", "hsqgl12"])
def test_linear_layers_are_penalised_where_the_papers_do(name: str) -> None:
    rule = get_criterion(name, load_registry(())).regulariser
    assert rule is not None
    network = toys.chain()
    named = dict(network.model.named_parameters())
    term = rule.attach(network, torch.Generator()).penalty()
    gradients = torch.autograd.grad(term, list(named.values()), allow_unused=True)
    found = {name for name, gradient in zip(named, gradients, strict=True) if gradient is not None}
    linear = {"6.weight", "9.weight"} if name in ("l1", "group_lasso", "exclusive_sparsity") else set()
    assert found == {"0.weight", "2.weight"} | linear


def test_a_feature_wise_group_of_a_linear_layer_is_what_reads_one_unit() -> None:
    weight = torch.tensor([[3.0, 0.0], [4.0, 1.0]])[:, :, None]  # two outputs that read two inputs
    assert float(group_lasso(weight)) == pytest.approx(5 + 1)
    assert float(exclusive_sparsity(weight)) == pytest.approx(7**2 + 1)
