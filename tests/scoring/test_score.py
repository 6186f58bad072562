"""Scoring: streaming, coupling and what is said when a score is wrong."""

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.criterion import Criterion, ModelScore
from prunebench.plugins.registry import get_criterion, load_registry
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.scoring.evidence import gather
from prunebench.scoring.score import score
from prunebench.testing import toys


def run(record: Criterion | ModelScore, network: Network, count: int = 2) -> dict[str, Tensor]:
    return score(record, network, toys.batches(count), torch.Generator().manual_seed(0))


def weight_sum(weight: Tensor) -> Tensor:
    return weight.sum(1)


def test_batches_are_averaged_by_sample_count() -> None:
    seen: list[int] = []

    def size(output: Tensor) -> Tensor:
        seen.append(len(output))
        return torch.full((output.shape[1],), float(len(output)), dtype=output.dtype)

    network = toys.chain()
    scores = run(Criterion(size), network, count=3)
    assert seen == [5] * 3 + [5] * 3 + [3] * 3
    assert scores["0"].tolist() == pytest.approx([(5 * 5 + 5 * 5 + 3 * 3) / 13] * 6)


def test_a_data_free_score_is_called_once_per_layer_and_needs_no_batches() -> None:
    calls = []

    def counted(weight: Tensor) -> Tensor:
        calls.append(weight.shape)
        return weight.sum(1)

    score(Criterion(counted), toys.chain(), [], torch.Generator())
    assert calls == [(6, 9), (4, 24), (8, 16)]


def test_data_evidence_without_data_is_said() -> None:
    def needy(grad: Tensor) -> Tensor:
        return grad.sum(1)

    def strong(input_norm: Tensor) -> Tensor:
        return input_norm.sum(1)

    def whole(model: Any, batches: Any, generator: Any) -> dict[str, Tensor]:
        raise AssertionError

    for record in (Criterion(needy), Criterion(strong), ModelScore(whole)):
        with pytest.raises(CellError, match=f"'{record.name}' needs calibration data"):
            score(record, toys.chain(), [], torch.Generator())


def test_nothing_is_kept_from_one_batch_to_the_next() -> None:
    alive: list[list[weakref.ref[Tensor]]] = []

    def spy(output: Tensor, output_grad: Tensor) -> Tensor:
        if len(alive) >= 3:  # three layers a batch
            assert all(ref() is None for refs in alive[: len(alive) // 3 * 3] for ref in refs)
        alive.append([weakref.ref(output), weakref.ref(output_grad)])
        return output.reshape(*output.shape[:2], -1).mean(2).mean(0)

    run(Criterion(spy), toys.chain(), count=4)
    assert len(alive) == 12


@pytest.mark.parametrize("coupling", ["sum", "mean", "first"])
def test_a_groups_layers_are_joined(coupling: str) -> None:
    network = toys.residual()
    stem = network.layer("stem").get_parameter("weight").detach().flatten(1).sum(1)
    conv = network.layer("conv").get_parameter("weight").detach().flatten(1).sum(1)
    expected = {"sum": stem + conv, "mean": (stem + conv) / 2, "first": stem}[coupling]
    torch.testing.assert_close(run(Criterion(weight_sum, coupling=coupling), network)["stem"], expected)  # type: ignore[arg-type]


def test_joint_concatenates_along_fan_in() -> None:
    shapes: dict[str, Any] = {}

    def spy(weight: Tensor, grad: Tensor, bias: Tensor, output: Tensor, curvature: Tensor, gate: Tensor) -> Tensor:
        given = {"weight": weight, "grad": grad, "bias": bias, "output": output, "curvature": curvature, "gate": gate}
        shapes.update({name: tuple(value.shape) for name, value in given.items()})
        return weight.square().sum(1)

    network = toys.depthwise()
    scores = run(Criterion(spy, coupling="joint"), network, count=1)
    assert set(scores) == {"0", "6"}
    assert shapes["weight"] == shapes["grad"] == shapes["curvature"] == (3, 4)  # the last group
    shapes.clear()
    network = toys.residual()
    joint = run(Criterion(spy, coupling="joint"), network, count=1)["stem"]
    assert shapes == {
        **dict.fromkeys(("weight", "grad", "curvature"), (5, 9 + 45)),
        **dict.fromkeys(("bias", "gate"), (5, 2)),
        "output": (3, 5, 36 + 36),
    }
    weights = [network.layer(name).get_parameter("weight").detach().flatten(1) for name in ("stem", "conv")]
    torch.testing.assert_close(joint, sum(w.square().sum(1) for w in weights))


def test_tied_positions_are_members_of_one_unit() -> None:
    network = toys.grouped()
    rows = network.layer("2").get_parameter("weight").detach().flatten(1).sum(1)
    torch.testing.assert_close(run(Criterion(weight_sum), network)["2"], rows[:3] + rows[3:])
    torch.testing.assert_close(run(Criterion(weight_sum, coupling="joint"), network)["2"], rows[:3] + rows[3:])


def test_joint_follows_units_that_stand_in_another_order_in_a_layer() -> None:
    network = toys.chain()
    there = run(Criterion(weight_sum, coupling="joint"), network)["0"]
    moved = torch.tensor([2, 0, 1, 5, 4, 3])
    first = network.table.groups[0]
    slices = tuple(replace(piece, index=piece.index[moved]) for piece in first.slices)
    table = replace(network.table, groups=(replace(first, slices=slices), *network.table.groups[1:]))
    again = run(Criterion(weight_sum, coupling="joint"), Network.dense(network.model, table))["0"]
    assert torch.equal(again, there[moved])


@pytest.mark.parametrize("name", ["normed", "bias_grad"])
def test_a_change_of_the_loss_is_of_the_depthwise_filter_alone(name: str) -> None:
    seen: list[tuple[int, ...]] = []

    def score_of_normed(normed: Tensor) -> Tensor:
        seen.append(tuple(normed.shape[1:]))
        return normed.mean((0, 2))

    def score_of_bias_grad(bias_grad: Tensor) -> Tensor:
        seen.append(tuple(bias_grad.shape))
        return bias_grad.sum(1)

    function = {"normed": score_of_normed, "bias_grad": score_of_bias_grad}[name]
    run(Criterion(function, coupling="joint"), toys.depthwise(), count=1)
    assert (
        seen[0] == {"normed": (4, 16), "bias_grad": (4, 1)}[name]
    )  # the 3 x 3 filters before it would be as many again


def test_a_score_without_data_is_no_part_of_the_network() -> None:
    network = toys.chain()
    scores = run(Criterion(lambda bias: bias.reshape(len(bias), -1)[:, 0], name="b", coupling="joint"), network)["0"]
    before = scores.clone()
    with torch.no_grad():
        network.layer("0").get_parameter("bias").add_(1)
    assert torch.equal(scores, before)


def test_an_unwatched_score_may_change_its_evidence() -> None:
    def halves(weight: Tensor) -> Tensor:
        return weight.clone().sum(1) + 0 * weight.mul_(1.0).sum(1)

    score(Criterion(halves), toys.chain(), [], torch.Generator(), watched=False)
    with pytest.raises(CellError, match="changes its evidence weight in place"):
        score(Criterion(halves), toys.chain(), [], torch.Generator())


def test_scores_whose_sum_overflows_are_finite() -> None:
    def huge(weight: Tensor) -> Tensor:
        return torch.full((len(weight),), 1.5e308, dtype=weight.dtype)

    assert run(Criterion(huge), toys.chain())["0"].eq(1.5e308).all()


def test_a_pruned_network_has_scores_for_the_units_still_there() -> None:
    for make, group in ((toys.chain, "2"), (toys.residual, "stem"), (toys.depthwise, "0")):
        network = make()
        small = remove(remove(network, {group: torch.tensor([1])}), {group: torch.tensor([3])})
        stays = [u for u in range(network.units[group]) if u not in (1, 3)]
        whole = run(Criterion(gate_first, coupling="first"), network)
        scores = run(Criterion(gate_first, coupling="first"), small)
        assert torch.equal(scores[group], whole[group][stays])


def gate_first(gate: Tensor) -> Tensor:
    return gate.clone()


def test_finish_is_per_layer_and_before_the_coupling() -> None:
    sizes = []

    def share(scores: Tensor) -> Tensor:
        sizes.append(len(scores))
        return scores / scores.sum()

    network = toys.residual()
    scores = run(Criterion(weight_sum, finish=share), network)["stem"]
    assert sizes == [5, 5]
    assert float(scores.sum()) == pytest.approx(2.0)


def test_stochastic_scores_draw_from_the_given_generator() -> None:
    def dice(weight: Tensor, generator: torch.Generator) -> Tensor:
        return torch.rand(len(weight), generator=generator, dtype=weight.dtype)

    network = toys.chain()
    before = torch.get_rng_state()
    scores = run(Criterion(dice), network)
    expected = torch.rand(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(scores["0"], expected)
    assert torch.equal(torch.get_rng_state(), before)


def broken(weight: Tensor) -> Tensor:
    raise ValueError("no luck")


def leaves(weight: Tensor) -> Tensor:
    raise SystemExit(3)


WRONG: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "shape": (lambda weight: weight, r"gives scores of shape \(6, 9\), not \(6,\)"),
    "finite": (lambda weight: torch.log(weight.sum(1) * 0 - 1), "gives 6 scores that are not finite"),
    "tensor": (lambda weight: 3, "gives an int, not a tensor"),
    "inside": (lambda weight: weight.view(7), r"failed: RuntimeError: shape .* \(test_score\.py:\d+\)$"),
    "type": (lambda weight: weight.sum(1).argsort(), "gives scores of torch.int64, not of floating-point numbers"),
    "device": (lambda weight: weight.sum(1).to("meta"), "gives scores on meta, not on cpu"),
    "broken": (broken, r"failed: ValueError: no luck \(test_score\.py:\d+\)$"),
    "leaves": (leaves, "failed: SystemExit: 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_criterion_and_layer(name: str) -> None:
    function, message = WRONG[name]
    with pytest.raises(CellError, match=f"criterion '{name}' on layer '0' {message}"):
        run(Criterion(function, name=name), toys.chain())


def test_a_finish_that_spoils_the_scores_is_said() -> None:
    with pytest.raises(CellError, match="criterion 'weight_sum' on layer '0' gives 6 scores that are not finite"):
        run(Criterion(weight_sum, finish=lambda scores: scores / 0), toys.chain())


def synaptic(model: Any, batches: Any, generator: Any, *, sign: float = 1.0) -> Mapping[str, Tensor]:
    """Sum of |w dL/dw| per unit, by ordinary backward passes."""
    for pictures, labels in batches:
        torch.nn.functional.cross_entropy(model(pictures), labels).backward()
    layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)}
    return {n: sign * (m.weight * m.weight.grad).abs().flatten(1).sum(1).detach() for n, m in layers.items()}


def test_a_model_score_is_joined_and_leaves_no_gradients() -> None:
    network = toys.residual()
    record = ModelScore(synaptic)
    scores = run(record, network)
    assert scores["stem"].shape == (5,)
    assert all(p.grad is None and p.requires_grad for p in network.model.parameters())
    assert torch.equal(run(record.with_options({"sign": "-1"}), network)["stem"], -scores["stem"])
    grads = [gather(network, frozenset({"grad", "weight"}), b, torch.Generator()) for b in toys.batches()]
    expected = sum((grads[0][n]["weight"] * (grads[0][n]["grad"] + grads[1][n]["grad"])).abs().sum(1) for n in grads[0])
    torch.testing.assert_close(scores["stem"], expected)


def test_what_is_wrong_with_a_model_score_is_said() -> None:
    def some(model: Any, batches: Any, generator: Any) -> Mapping[str, Tensor]:
        return {"0": torch.ones(6, dtype=torch.float64)}

    def failing(model: Any, batches: Any, generator: Any) -> Mapping[str, Tensor]:
        raise KeyError("x")

    def narrow(model: Any, batches: Any, generator: Any) -> Mapping[str, Tensor]:
        return {"0": torch.ones(5)}

    def forgetful(model: Any, batches: Any, generator: Any) -> Any:
        model.eval()

    for function, message in (
        (forgetful, "criterion 'forgetful' gives a NoneType, not a mapping from layer names to scores"),
        (some, "criterion 'some' gives no scores for layer '2'"),
        (failing, "criterion 'failing' failed: KeyError: 'x'"),
        (narrow, r"criterion 'narrow' on layer '0' gives scores of shape \(5,\), not \(6,\)"),
    ):
        with pytest.raises(CellError, match=message):
            run(ModelScore(function), toys.chain())


def test_a_model_score_may_ask_for_the_network_with_its_table() -> None:
    given: list[Any] = []

    def by_table(network: Network, batches: Any, generator: Any) -> dict[str, Tensor]:
        given.append(network)
        return {g.name: torch.arange(float(g.units)) for g in network.table.groups}

    network = toys.chain()
    scores = run(ModelScore(by_table), network)
    assert given == [network]
    assert scores["2"].tolist() == [0, 1, 2, 3]


def test_only_our_own_scores_without_data_go_unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[str] = []

    @contextmanager
    def watching(model: nn.Module, who: str) -> Iterator[None]:
        watched.append(who)
        yield

    monkeypatch.setattr("prunebench.scoring.score.watching", watching)
    magnitude, synflow, taylor = (get_criterion(name, load_registry(())) for name in ("magnitude", "synflow", "taylor"))

    @wraps(magnitude.score)
    def wrapped(weight: Tensor) -> Tensor:
        return magnitude.score(weight)

    theirs = Criterion(wrapped, name="theirs"), replace(magnitude, name="theirs too", finish=lambda scores: scores)
    for criterion in (magnitude, *theirs, synflow, taylor):
        score(criterion, toys.chain(), toys.batches(), torch.Generator())
    assert watched == [f"criterion '{name}'" for name in ("theirs", "theirs too", "synflow", "taylor")]
    score(magnitude, toys.chain(), [], torch.Generator(), watched=True)
    assert watched[4:] == ["criterion 'magnitude'"]
