"""The contract suite: the checks that every criterion must pass (after scikit-learn's `check_estimator`).

In the tests of a plugin::

    @pytest.mark.parametrize("check", [pytest.param(check, id=name) for name, check in checks(CRITERION)])
    def test_contract(check):
        check()
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from prunebench.errors import CellError
from prunebench.plugins.criterion import AnyCriterion, Criterion, ModelScore
from prunebench.plugins.guard import watching
from prunebench.pruning.masks import kept_weights, without
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.scoring.score import score, score_blocks, score_weights
from prunebench.scoring.single_weights import for_units_only
from prunebench.testing import toys
from prunebench.testing.regulariser import REGULARISER_CHECKS, require

Check = Callable[[], None]


class Outcome(NamedTuple):
    """The result of one check; `message` is empty if the check passed."""

    name: str
    ok: bool
    message: str


def check_criterion(record: AnyCriterion) -> None:
    """Run all checks. Raises an `AssertionError` that names each failed check with its reason.

    >>> from prunebench.criteria.magnitude import CRITERION
    >>> check_criterion(CRITERION)
    """
    outcomes = run_checks(record)
    lines = [f"{outcome.name}: {outcome.message}" for outcome in outcomes if not outcome.ok]
    if lines:
        head = f"criterion '{record.label}' fails {len(lines)} of {len(outcomes)} checks"
        raise AssertionError("\n".join([head, *lines]))


def run_checks(record: AnyCriterion) -> list[Outcome]:
    """Run all checks, also after one has failed."""
    outcomes = []
    for name, check in checks(record):
        try:
            check()
        except (AssertionError, CellError) as error:
            outcomes.append(Outcome(name, False, str(error)))
        except (Exception, SystemExit) as error:
            outcomes.append(Outcome(name, False, f"{type(error).__name__}: {error}"))
        else:
            outcomes.append(Outcome(name, True, ""))
    return outcomes


def checks(record: AnyCriterion) -> Iterator[tuple[str, Check]]:
    """Yield the checks that apply to a criterion, with their names. Each raises `AssertionError` or `CellError`."""
    for toy in toys.TOYS:
        yield f"scores {toy}", partial(_scores, record, toy)
    if not for_units_only(record):
        yield "scores single weights", partial(_single_weights, record)
    if isinstance(record, ModelScore) and record.of_blocks is not None:
        yield "scores blocks", partial(_blocks, record)
    yield "is deterministic", partial(_deterministic, record)
    yield "changes nothing", partial(_changes_nothing, record)
    yield "accepts zero weights", partial(_zero_weights, record)
    for dtype in (torch.float32, torch.float64):
        yield f"keeps {str(dtype).removeprefix('torch.')}", partial(_keeps_type, record, dtype, torch.device("cpu"))
    if torch.cuda.is_available():
        yield "runs on cuda", partial(_keeps_type, record, torch.float32, torch.device("cuda"))
    if not record.needs:
        yield "needs no data", partial(_without_data, record)
    if not _draws_by_unit(record):  # else a score keeps these two only on average
        yield "follows its units", partial(_equivariant, record)
        if record.scale == "loss":
            yield "is on the loss scale", partial(_loss_scale, record)
    if record.regulariser is not None:
        for name, check in REGULARISER_CHECKS.items():
            yield f"regulariser: {name}", partial(check, record.regulariser)


def is_stochastic(record: AnyCriterion) -> bool:
    """Tell whether a score draws random numbers, as seen on a small network. A score that fails draws none.

    >>> from prunebench.criteria.obd import CRITERION
    >>> is_stochastic(CRITERION), is_stochastic(CRITERION.with_options({"curvature": "exact"}))
    (True, False)
    """
    draws = torch.Generator().manual_seed(0)
    unused = draws.get_state()
    with suppress(Exception, SystemExit):  # the checks report the error
        _run(record, toys.chain(), draws=draws)
    return not torch.equal(draws.get_state(), unused)


def _draws_by_unit(record: AnyCriterion) -> bool:
    """Tell whether the draws may depend on the order of the units. Those of a sampled curvature are at the logits."""
    at_logits = isinstance(record, Criterion) and record.curvature == "sampled" and "generator" not in record.evidence
    return not at_logits and is_stochastic(record)


def _run(
    record: AnyCriterion, network: Network, watched: bool = False, draws: torch.Generator | None = None
) -> dict[str, Tensor]:
    batches = toys.batches(dtype=network.dtype)
    return score(record, network, batches, draws or torch.Generator().manual_seed(0), watched=watched)


def _scores(record: AnyCriterion, toy: str) -> None:
    """Expect one finite score per unit of every group."""
    network = toys.TOYS[toy]()
    scores = _run(record, network)
    shapes, wanted = {name: tuple(v.shape) for name, v in scores.items()}, {n: (u,) for n, u in network.units.items()}
    require(shapes == wanted, f"gives scores of shapes {shapes}, not {wanted}")
    bad = [name for name, values in scores.items() if not values.isfinite().all()]
    require(not bad, f"gives scores that are not finite for groups {bad}")


def _single_weights(record: AnyCriterion) -> None:
    """Expect one finite score per weight of every layer."""
    network = without(toys.chain(), {"0": torch.tensor([1])})
    generator = torch.Generator().manual_seed(0)
    scores = score_weights(record, network, toys.batches(dtype=network.dtype), generator, watched=False)
    shapes = {name: tuple(values.shape) for name, values in scores.items()}
    wanted = {name: (len(kept),) for name, kept in kept_weights(network).items()}
    require(
        shapes == wanted, f"gives scores of shapes {shapes}, not {wanted}; for whole units only, set `units_only=True`"
    )


def _blocks(record: ModelScore) -> None:
    """Expect one finite score per network that lacks something."""
    network = toys.residual()
    lacking = (remove(network, {"stem": torch.tensor([unit])}) for unit in range(3))
    batches, draws = toys.batches(dtype=network.dtype), torch.Generator().manual_seed(0)
    score_blocks(record, network, lacking, 3, batches, generator=draws)


def _deterministic(record: AnyCriterion) -> None:
    """Expect equal scores from equal seeds, bit by bit."""
    first, second = _run(record, toys.chain()), _run(record, toys.chain())
    differ = [name for name in first if not torch.equal(first[name], second[name])]
    require(not differ, f"two runs with one seed differ in groups {differ}; draw from `generator` only")


def _changes_nothing(record: AnyCriterion) -> None:
    """Expect unchanged weights, gradients, buffers, flags, modes, hooks and global states."""
    for make in toys.TOYS.values():
        network = make()
        network.model.train()
        for number, module in enumerate(network.model.modules()):
            module.training = number % 2 == 0
        for number, parameter in enumerate(network.model.parameters()):
            parameter.requires_grad_(number != 1).grad = torch.full_like(parameter, number)
        with watching(network.model, "it"):  # the harness around the score must change nothing either
            _run(record, network, watched=True)
        for number, (name, parameter) in enumerate(network.model.named_parameters()):
            kept = parameter.grad is not None and bool((parameter.grad == number).all())
            require(kept, f"changes the gradient of '{name}'")


@torch.no_grad()
def _zero_weights(record: AnyCriterion) -> None:
    """Expect finite scores of a layer of zeros."""
    for layer in ("0", "2", "6"):
        network = toys.chain()
        for parameter in network.layer(layer).parameters():
            parameter.zero_()
        with torch.enable_grad():
            _run(record, network)


def _keeps_type(record: AnyCriterion, dtype: torch.dtype, device: torch.device) -> None:
    """Expect scores of the weights' type or of float64, on the weights' device."""
    network = toys.chain()
    network.model.to(device, dtype)
    for name, values in _run(record, network).items():
        fine = values.dtype in (dtype, torch.float64)
        require(fine, f"group '{name}' has scores of {values.dtype} for weights of {dtype}")
        require(values.device.type == device.type, f"group '{name}' has scores on {values.device}, weights on {device}")


def _without_data(record: AnyCriterion) -> None:
    """Expect a criterion that asks for no data to work without batches."""
    score(record, toys.chain(), [], torch.Generator(), watched=False)


def _equivariant(record: AnyCriterion) -> None:
    """Expect permuted units to have the same scores, permuted alike."""
    for make in (toys.chain, toys.residual, toys.depthwise, toys.grouped):
        network, shuffled = make(), make()
        orders = {g.name: torch.arange(g.units).roll(1).flip(0) for g in network.table.groups}
        for group in network.table.groups:
            _permute(shuffled, group.name, orders[group.name])
        first, second = _run(record, network), _run(record, shuffled)
        for name, order in orders.items():
            text = f"group '{name}' of the {make.__name__} network: scores depend on the order of the units"
            require(torch.allclose(first[name][order], second[name], rtol=1e-6, atol=1e-12), text)


@torch.no_grad()
def _permute(network: Network, group: str, order: Tensor) -> None:
    """Move unit order[u] to the place of unit u, in every slice of the group."""
    network.gates[group] = network.gates[group][order]
    for unit_slice in network.table.group(group).slices:
        place, source = unit_slice.index.flatten(), unit_slice.index[order].flatten()
        for name, tensor in network.layer(unit_slice.layer).state_dict().items():
            axis = 0 if unit_slice.side == "out" else 1
            if tensor.ndim > axis and (unit_slice.side == "out" or name == "weight"):
                tensor.index_copy_(axis, place, tensor.index_select(axis, source))


@torch.no_grad()
def _loss_scale(record: AnyCriterion) -> None:
    """Scale a ReLU unit up and its readers down: the loss stays, so scores on the loss scale must stay."""
    network, scaled = toys.chain(), toys.chain()
    scaled.layer("0").get_parameter("weight").mul_(4)
    scaled.layer("0").get_parameter("bias").mul_(4)
    scaled.layer("2").get_parameter("weight").div_(4)
    with torch.enable_grad():
        first, second = _run(record, network), _run(record, scaled)
    for name, values in first.items():
        text = f"group '{name}': scores change when weights move across a ReLU; declare scale='arbitrary'"
        require(torch.allclose(values, second[name], rtol=1e-6, atol=1e-12), text)
