"""Whatever a score does to the network or to a global random state is found and named, also behind torch's back."""

import random
import re
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.criterion import Criterion, ModelScore
from prunebench.plugins.guard import watching
from prunebench.scoring.score import score
from prunebench.testing import toys


def sizes(model: nn.Module) -> dict[str, Tensor]:
    layers = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear))
    return {name: layer.get_parameter("weight").detach().flatten(1).norm(dim=1) for name, layer in layers}


def after(change: Callable[[Any], object]) -> ModelScore:
    """A score of the whole model that changes something first; batches are (pictures, labels)."""

    def sly(model: Any, batches: Any, generator: Any) -> dict[str, Tensor]:
        change(model)
        return sizes(model)

    return ModelScore(sly)


def in_training_mode(model: Any) -> None:
    model.train()
    model(toys.batches()[0][0])
    model.eval()


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "weight": (lambda m: m.conv.weight.data.mul_(2), "the parameter 'conv.weight'"),
    "one number of one weight": (lambda m: m.conv.weight.data[0, 0, 0].add_(1e-12), "the parameter 'conv.weight'"),
    "another parameter": (lambda m: setattr(m, "conv", nn.Conv2d(5, 5, 3, padding=1).double()), "'conv.weight'"),
    "units in another order": (
        lambda m: m.conv.weight.data.copy_(m.conv.weight.data.flip(0)),
        "the parameter 'conv.weight'",
    ),
    "behind torch's back": (lambda m: m.bn1.bias.detach().numpy().fill(0), "the parameter 'bn1.bias'"),
    "type": (lambda m: m.float(), "the parameter 'stem.weight'"),
    "buffer": (lambda m: m.bn2.running_var.mul_(2), "the buffer 'bn2.running_var'"),
    "running statistics": (in_training_mode, "the buffer 'bn1.running_mean'"),
    "another buffer": (lambda m: m.register_buffer("mask", torch.ones(1)), "the buffer 'mask'"),
    "mode": (lambda m: m.bn2.train(), "the mode of 'bn2'"),
    "flag": (lambda m: m.stem.weight.requires_grad_(False), "requires_grad of 'stem.weight'"),
    "hook": (lambda m: m.bn1.register_forward_hook(lambda *_: None), "the hooks of 'bn1'"),
    "hook before": (lambda m: m.register_forward_pre_hook(lambda *_: None), "the hooks of the network"),
    "hook of a parameter": (lambda m: m.stem.weight.register_hook(lambda g: g), "the hooks of 'stem.weight'"),
    "torch": (lambda m: torch.rand(1), "torch's global random state"),
    "numpy": (lambda m: np.random.rand(), "NumPy's global random state"),  # noqa: NPY002
    "python": (lambda m: random.random(), "Python's global random state"),
    "default type": (lambda m: torch.set_default_dtype(torch.float64), "torch's default type"),
    "gradient mode": (lambda m: torch.set_grad_enabled(False), "torch's gradient mode"),
    "threads": (lambda m: torch.set_num_threads(torch.get_num_threads() + 1), "torch's number of threads"),
}


def run(record: Criterion | ModelScore, **more: Any) -> dict[str, Tensor]:
    return score(record, toys.residual(), toys.batches(), torch.Generator().manual_seed(0), **more)


def process() -> list[object]:
    """What a process has one of."""
    numbers = np.random.get_state()[1:3]  # noqa: NPY002
    states = [torch.get_rng_state().tolist(), random.getstate(), numbers[0].tolist(), numbers[1]]
    return [*states, torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()]


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_found_and_named(case: str) -> None:
    change, text = CHANGES[case]
    network, batches = toys.residual(), toys.batches()
    before = process()
    rule = "a score must change nothing and draw from `generator` only"
    with pytest.raises(CellError, match=rf"^criterion 'sly' changes .*; {rule}$") as error:
        score(after(change), network, batches, torch.Generator())
    assert text in str(error.value)
    assert process() == before


@pytest.mark.parametrize("case", ["running statistics", "hook", "torch", "default type", "threads"])
def test_a_score_that_is_not_watched_is_not_refused(case: str) -> None:
    network, batches = toys.residual(), toys.batches()
    before = process()
    score(after(CHANGES[case][0]), network, batches, torch.Generator(), watched=False)
    assert process() == before


def test_evidence_shares_the_networks_memory() -> None:
    def halves(weight: Tensor, gamma: Tensor) -> Tensor:
        gamma.div_(2)
        return weight.norm(dim=1)

    with pytest.raises(CellError, match=r"^criterion 'halves' on layer 'stem' changes its evidence gamma in place; "):
        run(Criterion(halves))


def test_of_many_changes_three_are_named() -> None:
    with pytest.raises(CellError, match=r"'bn1\.bias' and 3 more;"):
        run(after(lambda model: [p.data.mul_(2) for p in list(model.parameters())[:6]]))


def test_what_is_put_back_is_no_change() -> None:
    def linearised(model: Any, batches: Any, generator: Any) -> dict[str, Tensor]:
        signs = {name: parameter.data.sign() for name, parameter in model.named_parameters()}
        for parameter in model.parameters():
            parameter.data.abs_()
        with torch.random.fork_rng([]):
            torch.rand(3)
        found = sizes(model)
        for name, parameter in model.named_parameters():
            parameter.data.mul_(signs[name])
        for pictures, labels in batches:  # gradients are the harness's to forget
            nn.functional.cross_entropy(model(pictures), labels).backward()
        return found

    assert run(ModelScore(linearised))["stem"].shape == (5,)


def test_an_error_comes_before_a_change() -> None:
    def fails(model: Any) -> None:
        model.train()
        raise ValueError("no luck")

    with pytest.raises(CellError, match="criterion 'sly' failed: ValueError: no luck"):
        run(after(fails))


def test_a_network_that_is_not_finite_is_not_a_change() -> None:
    network = toys.chain()
    with torch.no_grad():
        network.layer("0").get_parameter("weight")[0] = float("nan")
    before = network.layer("2").get_parameter("weight").clone()
    with watching(network.model, "it"):
        pass
    with pytest.raises(CellError, match=r"it changes the parameter '0\.weight'"), watching(network.model, "it"):
        network.layer("0").get_parameter("weight").data[1] += 1
    assert torch.equal(before, network.layer("2").get_parameter("weight"))


ENDINGS = {
    "sys.exit(0)": "SystemExit: 0",
    "sys.exit()": "SystemExit",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise GeneratorExit('gone')": "GeneratorExit: gone",
    "raise type('Own', (BaseException,), {})('own')": "Own: own",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_code_that_would_end_python_fails_like_any_other(ending: str) -> None:
    def ends(weight: Tensor) -> Tensor:
        exec(f"import sys; {ending}")
        return weight.norm(dim=1)

    with pytest.raises(CellError, match=f"^criterion 'ends' on layer 'stem' failed: {re.escape(ENDINGS[ending])} \\("):
        run(Criterion(ends))


def test_an_interrupt_of_the_user_is_passed_on() -> None:
    def waits(weight: Tensor) -> Tensor:
        signal.raise_signal(signal.SIGINT)
        while True:
            pass

    with pytest.raises(KeyboardInterrupt):
        run(Criterion(waits))
