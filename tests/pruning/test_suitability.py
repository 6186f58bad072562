import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from prunebench.errors import UserError
from prunebench.pruning.analysis import analyse, resize
from prunebench.pruning.suitability import uncompiled
from prunebench.pruning.verification import TRAINING
from prunebench.testing.model import check_model
from prunebench.testing.toys import Net

PICTURES = torch.zeros(2, 3, 4, 4)


def chain(change: Callable[[nn.Module], Any] = lambda layer: layer) -> nn.Sequential:
    first, second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 6, 1)
    return nn.Sequential(
        first, nn.ReLU(), change(second) or second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)
    )


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, pictures: Tensor, weights: Tensor) -> Tensor:
        return self.layer(pictures * weights)


class Named(nn.Module):
    def forward(self, **inputs: Tensor) -> Tensor:
        return inputs["pixel_values"].flatten(1)


class Computed(nn.Conv2d):
    """Holds its weight as two factors."""

    def __init__(self) -> None:
        super().__init__(8, 6, 1)
        self.left, self.right = nn.Parameter(torch.ones(6, 2)), nn.Parameter(torch.ones(2, 8))
        del self._parameters["weight"]

    def forward(self, pictures: Tensor) -> Tensor:
        return nn.functional.conv2d(pictures, (self.left @ self.right)[..., None, None])


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "old weight_norm": (
        lambda: chain(weight_norm),
        r"layer '2' has weight_norm in its old form; call torch.nn.utils.remove_weight_norm\(layer\)",
    ),
    "old spectral_norm": (lambda: chain(spectral_norm), r"call torch.nn.utils.remove_spectral_norm\(layer\)"),
    "masks": (
        lambda: chain(lambda layer: prune.l1_unstructured(layer, "weight", amount=0.3)),
        r"layer '2' has a mask of torch.nn.utils.prune; call torch.nn.utils.prune.remove\(layer, \"weight\"\)",
    ),
    "computed": (lambda: chain(lambda _: Computed()), "layer '2' computes its weight; make the weight a parameter"),
    "half": (
        lambda: chain().to(torch.bfloat16),
        r"parameter '0.weight' has torch.bfloat16, the pictures torch.float32; .* as by .float\(\)",
    ),
    "double": (lambda: chain().double(), "parameter '0.weight' has torch.float64"),
    "lazy": (
        lambda: chain(lambda _: nn.LazyConv2d(6, 1)),
        r"layer '2' \(LazyConv2d\) has no weights yet; run one forward pass in the function",
    ),
    "keywords": (Named, "its forward pass takes keywords alone; it must take the pictures by position"),
    "two inputs": (Two, "its forward pass needs pictures and weights; it must need the pictures alone"),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning", "ignore:Lazy modules:UserWarning")
@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_names_the_true_cause_and_the_cure(kind: str) -> None:
    build, message = REFUSED[kind]
    with pytest.raises(UserError, match=f"^mine cannot be pruned: .*{message}") as caught:
        analyse(build(), PICTURES, "mine")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning", "ignore:.*torch.jit.script:DeprecationWarning")
def test_torchscript_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="the network is TorchScript, whose layers cannot be changed"):
        analyse(torch.jit.script(chain()), PICTURES)


KEPT: dict[str, tuple[Callable[[], nn.Module], set[str], str]] = {
    "parametrised": (lambda: chain(parametrizations.weight_norm), set(), "which is parametrised, as by weight_norm"),
    "twice": (
        lambda: Net(
            lambda net, x: net.last(net.c(net.b(net.b(net.a(x)))).mean((2, 3))),
            a=nn.Conv2d(3, 8, 1),
            b=nn.Conv2d(8, 8, 1),
            c=nn.Conv2d(8, 6, 1),
            last=nn.Linear(6, 2),
        ),
        {"c"},
        "'b', which is used 2 times in a forward pass; make one layer for each use",
    ),
    "one normalisation for two": (
        lambda: Net(
            lambda net, x: net.last(net.c(net.norm(net.b(net.norm(net.a(x))))).mean((2, 3))),
            a=nn.Conv2d(3, 8, 1),
            b=nn.Conv2d(8, 8, 1),
            c=nn.Conv2d(8, 6, 1),
            last=nn.Linear(6, 2),
            norm=nn.BatchNorm2d(8),
        ),
        {"c"},
        "'norm', which is used 2 times",
    ),
    "three dimensions": (
        lambda: Net(
            lambda net, x: net.last(net.b(net.deep(net.a(x).unsqueeze(2)).squeeze(2)).mean((2, 3))),
            a=nn.Conv2d(3, 8, 1),
            deep=nn.Conv3d(8, 8, 1),
            b=nn.Conv2d(8, 6, 1),
            last=nn.Linear(6, 2),
        ),
        {"b"},
        r"'deep' \(Conv3d\)",
    ),
}


@pytest.mark.parametrize("kind", KEPT)
def test_a_layer_that_cannot_be_followed_keeps_its_neighbours_alone(kind: str) -> None:
    build, groups, reason = KEPT[kind]
    if not groups:
        with pytest.raises(UserError, match=f"could be removed: .*{reason}"):
            analyse(build(), PICTURES)
        return
    table = analyse(build(), PICTURES)
    assert {group.name for group in table.groups} == groups
    assert re.match(reason, table.fixed["a"])


def test_two_layers_with_one_weight_keep_their_units() -> None:
    model = chain()
    model[2] = nn.Conv2d(8, 8, 1)
    model.insert(3, nn.Conv2d(8, 8, 1))
    model[3].weight = model[2].weight
    model[-1] = nn.Linear(8, 2)
    with pytest.raises(UserError, match="'2', which shares a parameter with '3'; give each layer its own"):
        analyse(model, PICTURES)


class Heads(nn.Module):
    """A head for training alone, and a layer that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.aside, self.b = nn.Conv2d(3, 8, 1), nn.Linear(8, 2), nn.Conv2d(8, 6, 1)
        self.idle, self.last = nn.Linear(5, 5), nn.Linear(6, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        first = self.a(pictures).relu()
        scores: Tensor = self.last(self.b(first).mean((2, 3)))
        return scores + self.aside(first.mean((2, 3))) if self.training else scores


def test_layers_that_eval_mode_does_not_reach_keep_what_they_read() -> None:
    table = analyse(Heads(), PICTURES)
    assert [group.name for group in table.groups] == ["b"]
    assert table.fixed == {"a": TRAINING} and "idle" not in table.positions


def test_a_branch_that_the_numbers_choose_is_named() -> None:
    def run(net: Any, x: Tensor) -> Any:
        first = net.a(x).relu()
        return net.last((net.b(first) if first.mean() > 0.2 else net.c(first)).relu().mean((2, 3)))

    parts = {"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(8, 6, 3), "c": nn.Conv2d(8, 6, 1), "last": nn.Linear(6, 2)}
    with pytest.raises(
        UserError, match=r"layer '[bc]' did not run when the network was analysed.* a branch may choose"
    ):
        analyse(Net(run, **parts), PICTURES)


class Plain(nn.Module):
    """Normalises by a tensor that is a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.net, self.unused = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1), chain(), nn.Linear(3, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        scores: Tensor = self.net(pictures - self.mean)
        return scores


def test_plain_tensors_go_where_the_network_goes() -> None:
    model = Plain()
    assert [group.name for group in analyse(model, PICTURES).groups] == ["net.0", "net.2"]
    assert check_model(model, PICTURES) == [] and model.mean.device.type == "cpu"


class Keeping(nn.Module):
    """Keeps the features of its last forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.features, self.others = chain(), torch.zeros(()), {}
        self(PICTURES)

    def forward(self, pictures: Tensor) -> Tensor:
        self.features = self.net[:3](pictures)
        self.others["all"] = [self.features]
        return self.net[3:](self.features)


def test_tensors_kept_from_a_forward_pass_do_no_harm() -> None:
    assert [group.name for group in analyse(Keeping(), PICTURES).groups] == ["net.0", "net.2"]


class Unlit(nn.Module):
    """Runs its first layers without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = chain()[:3], nn.Sequential(nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.last = nn.Linear(5, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.body(pictures)
        scores: Tensor = self.last(self.head(features))
        return scores


def test_layers_without_a_gradient_keep_their_units() -> None:
    table = analyse(Unlit(), PICTURES)
    assert [group.name for group in table.groups] == ["head.0"]
    assert "has no gradient: the output does not use it, or uses it under no_grad" in table.fixed["body.0"]


def test_an_output_that_does_not_depend_on_the_units_is_refused() -> None:
    model = Net(lambda net, x: net.last(0 * net.a(x).mean((2, 3))), a=nn.Conv2d(3, 8, 1), last=nn.Linear(8, 2))
    with pytest.raises(UserError, match="with random parameters its output does not depend on its units"):
        analyse(model, PICTURES)


def test_compiled_networks_and_parts_are_plain_again() -> None:
    parts = chain()
    parts[0], parts[1] = torch.compile(parts[0]), torch.compile(parts[1])
    parts.compile()
    plain = uncompiled(torch.compile(parts))
    assert plain is parts and plain._compiled_call_impl is None
    assert [name for name, _ in plain.named_modules()] == [name for name, _ in chain().named_modules()]
    assert not any("_orig_mod" in name for name in plain.state_dict())


def test_a_compiled_network_is_resized_as_the_network_inside() -> None:
    compiled = torch.compile(chain())
    assert isinstance(compiled, nn.Module)
    small = resize(compiled, {"0": 2}, PICTURES)
    assert type(small) is nn.Sequential and len(small.get_parameter("0.weight")) == 2
