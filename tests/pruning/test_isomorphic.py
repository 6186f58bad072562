"""The isomorphic ranking against torch-pruning's own, and between its limits: one set of groups, a set for each."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch_pruning
from torch import Tensor, nn
from torchvision.models import densenet121, mobilenet_v2, resnet18, vgg11_bn

from prunebench.models.resnet import RESNET20
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import costs
from prunebench.pruning.network import Network, signatures
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Ranking, Rule, select
from prunebench.records.budget import Keep

MADE: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: resnet18(num_classes=10),
    "mobilenet_v2": lambda: mobilenet_v2(num_classes=10),
    "vgg11_bn": lambda: vgg11_bn(num_classes=10),
    "densenet121": lambda: densenet121(num_classes=10),
}
ISOMORPHIC = Rule(Ranking("isomorphic"), floor=0.0)


def analysed(model: nn.Module, size: int = 32) -> Network:
    model.eval()
    return Network.dense(model, analyse(model, torch.zeros(1, 3, size, size), check=False))


def drawn_scores(network: Network) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(1)
    return {name: torch.rand(len(kept), generator=draws) for name, kept in network.kept.items()}


def sets(kinds: dict[str, Any]) -> set[frozenset[str]]:
    return {frozenset(name for name in kinds if kinds[name] == kind) for kind in kinds.values()}


class Theirs:
    """A network as torch-pruning sees it: its groups by the names of ours."""

    def __init__(self, network: Network) -> None:
        self.model = network.model
        self.last = [module for module in network.model.modules() if isinstance(module, nn.Linear)][-1]
        self.names = {module: layer for layer, module in network.model.named_modules()}
        self.owner = {layer: group.name for group in network.table.groups for layer in group.producers}

    def name(self, group: Any) -> str:
        return next(
            self.owner[layer]
            for dep, _ in group
            if torch_pruning.DependencyGraph().is_out_channel_pruning_fn(dep.handler)
            and (layer := self.names.get(dep.target.module)) in self.owner
        )

    def signatures(self) -> dict[str, Any]:
        """The structure of every group, as torch-pruning's isomorphic scope tells it, but without functions."""
        graph = torch_pruning.DependencyGraph().build_dependency(self.model, torch.zeros(1, 3, 32, 32))
        found = {}
        for group in graph.get_all_groups([self.last], [nn.Conv2d, nn.Linear]):
            parts = [(type(d.target.module).__name__, graph.is_out_channel_pruning_fn(d.handler)) for d, _ in group]
            found[self.name(group)] = sorted(part for part in parts if not part[0].startswith("_"))
        return found

    def lowest_half(self, scores: dict[str, Tensor]) -> dict[str, list[int]]:
        pruner = torch_pruning.BasePruner(
            self.model,
            torch.zeros(1, 3, 32, 32),
            importance=lambda group: scores[self.name(group)],
            global_pruning=True,
            isomorphic=True,
            pruning_ratio=0.5,
            ignored_layers=[self.last],
        )
        return {self.name(group): sorted(group[0].idxs) for group in pruner.step(interactive=True)}


@pytest.mark.parametrize("name", MADE)
def test_sets_of_groups_are_those_of_torch_prunings_graph(name: str) -> None:
    network = analysed(MADE[name]())
    ours, theirs = signatures(network), Theirs(network).signatures()
    assert sets(ours) == sets(theirs) and 1 < len(sets(ours)) < len(ours)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])  # where counting functions changes no set
def test_half_of_the_units_are_those_that_torch_pruning_takes(name: str) -> None:
    network = analysed(MADE[name]())
    scores = drawn_scores(network)
    theirs = Theirs(network).lowest_half(scores)
    keep = Keep("units", 1 - sum(map(len, theirs.values())) / sum(network.units.values()))
    ours = select(scores, network, costs(network.model, network.table), keep, ISOMORPHIC)
    assert {name: gone.tolist() for name, gone in ours.remove.items()} == theirs


def test_groups_of_one_structure_are_ranked_globally_and_of_different_structures_locally() -> None:
    layers = [nn.Conv2d(3, 8, 1), nn.Conv2d(8, 6, 1), nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(64, 3)]
    model = nn.Sequential(*layers)
    network = Network.dense(model, analyse(model, torch.zeros(1, 3, 4, 4)))
    cost = costs(model, network.table)
    scores = {"0": torch.arange(8.0) + 10, "1": torch.arange(6.0), "2": torch.arange(4.0) + 99}
    found = select(scores, network, cost, Keep("units", 0.5), ISOMORPHIC)
    # '0' and '1' end in a convolution: 7 of 14; '2' ends in the classifier: 2 of 4
    assert {name: gone.tolist() for name, gone in found.remove.items()} == {
        "0": [0, 1],
        "1": [0, 1, 2, 3, 4],
        "2": [0, 1],
    }
    skipped = Rule(Ranking("isomorphic"), floor=0.0, skip=frozenset({"1"}))
    del scores["1"]
    found = select(scores, network, cost, Keep("units", 12 / 18), skipped)
    assert {name: gone.tolist() for name, gone in found.remove.items()} == {"0": [0, 1, 2, 3], "2": [0, 1]}


@pytest.mark.parametrize("fraction", [0.8, 0.5, 0.2])
def test_the_limits_are_the_global_and_the_local_ranking(fraction: float, monkeypatch: pytest.MonkeyPatch) -> None:
    network = analysed(RESNET20(3, 32, 10))
    cost, scores, keep = costs(network.model, network.table), drawn_scores(network), Keep("macs", fraction)

    def chosen(name: str) -> dict[str, list[int]]:
        found = select(scores, network, cost, keep, Rule(Ranking(name)))  # type: ignore[arg-type]
        return {group: gone.tolist() for group, gone in found.remove.items()}

    for name, kind in {"global": lambda group: "", "local": lambda group: group}.items():
        monkeypatch.setattr(
            "prunebench.pruning.selection.signatures",
            lambda network, kind=kind: {one: kind(one) for one in network.kept},
        )
        assert chosen("isomorphic") == chosen(name)


def test_a_ladder_narrows_sets_to_shares_of_their_dense_units() -> None:
    network = step = analysed(RESNET20(3, 32, 10))
    cost = costs(network.model, network.table)
    for fraction in (0.8, 0.6, 0.4):
        step = remove(
            step, select(drawn_scores(step), step, cost, Keep("units", fraction), Rule(Ranking("isomorphic"))).remove
        )
    straight = select(drawn_scores(network), network, cost, Keep("units", 0.4), Rule(Ranking("isomorphic")))

    def by_kind(units: dict[str, int]) -> dict[object, int]:
        found: dict[object, int] = {}
        for group, kind in signatures(network).items():
            found[kind] = found.get(kind, 0) + units[group]
        return found

    assert by_kind(step.units) == by_kind(remove(network, straight.remove).units)
