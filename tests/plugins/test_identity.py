import functools
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.errors import UserError
from prunebench.plugins.criterion import Criterion
from prunebench.plugins.discovery import source_hash
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.identity import identity
from prunebench.plugins.model import Model
from prunebench.plugins.registry import Registry
from prunebench.study.store import key_of

PLUGIN = """
from prunebench import Criterion, Model, Penalty

def small(weight, *, factor=1.0):
    return factor * weight.sum(dim=1)

class Growing:
    strength = 1.0
    def __init__(self, speed):
        self.speed = speed
    def attach(self, network, generator): ...

SMALL = Criterion(small)
SLOW = Criterion(small, name="slow", regulariser=Growing(0.1))
FAST = Criterion(small, name="fast", regulariser=Growing(0.2))
"""


def plugin(folder: Path, text: str = PLUGIN) -> Registry:
    path = folder / "mine.py"
    path.write_text(text)
    return Registry((str(path),))


def key(registry: Registry, name: str) -> str:
    method = parse_method(name, registry)
    return key_of("", {part: identity(getattr(method, part)) for part in ("score", "before", "after")})


def test_every_registered_thing_can_be_described() -> None:
    registry = Registry()
    for entry in (*registry.criteria.values(), *registry.models.values()):
        assert key_of("", {"": identity(entry.plugin)})


def test_equal_things_are_equal_and_options_count(tmp_path: Path) -> None:
    registry = plugin(tmp_path)
    assert key(registry, "small") == key(registry, "small")
    assert key(registry, "small") != key(registry, "small:factor=2")
    assert key(registry, "l1") != key(registry, "l1:strength=0.5")
    assert len({key(registry, name) for name in ("magnitude", "taylor", "obd", "hsqgl12+obd", "obd+hsqgl12")}) == 5


def test_a_file_edited_while_it_runs_does_not_change_the_key(tmp_path: Path) -> None:
    registry = plugin(tmp_path)
    before = key(registry, "small")
    (tmp_path / "mine.py").write_text(PLUGIN.replace("sum", "mean"))
    assert key(registry, "small") == before


def test_the_state_of_a_plugins_own_object_counts(tmp_path: Path) -> None:
    registry = plugin(tmp_path)
    assert key(registry, "slow+magnitude") == key(registry, "slow+magnitude")
    assert key(registry, "slow+magnitude") != key(registry, "fast+magnitude")


def test_prose_does_not_count() -> None:
    def score(weight: torch.Tensor) -> torch.Tensor:
        return weight.sum(1)

    assert identity(Criterion(score, reference="a")) == identity(Criterion(score, reference="b"))
    assert identity(Criterion(score, costly=True)) == identity(Criterion(score))  # decides no result
    assert identity(Criterion(score)) != identity(Criterion(score, coupling="mean"))


def test_functions_are_their_name_and_the_hash_of_their_file() -> None:
    import prunebench.criteria.magnitude as module

    assert identity(module.magnitude) == ["magnitude", source_hash(module)[:16]]
    assert identity(functools.partial(module.magnitude, p=1.0)) == [identity(module.magnitude), [], {"p": 1.0}]


def test_a_model_is_described_with_its_options() -> None:
    def net(channels: int, size: int, classes: int, *, width: float = 1.0) -> torch.nn.Module:
        return torch.nn.Identity()

    assert identity(Model(net)) != identity(Model(net).with_options({"width": "0.5"}))
    assert identity(Model(net)) == identity(Model(net, reference="x"))


class Table(dict[str, float]):
    """Gives a value for a key that it does not have."""


def scaled(table: Any, weight: torch.Tensor) -> torch.Tensor:
    return table["a"] * weight


class Scaled:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def score(self, weight: torch.Tensor) -> torch.Tensor:
        return self.factor * weight


def test_objects_behind_a_function_count() -> None:
    one, other = (identity(functools.partial(scaled, defaultdict(lambda n=number: n))) for number in (1.0, 2.0))
    assert one != other
    assert identity(functools.partial(scaled, Table())) != identity(functools.partial(scaled, {}))
    assert identity(Scaled(1).score) == identity(Scaled(1).score) != identity(Scaled(2).score)


def test_what_cannot_be_described_is_an_error() -> None:
    with pytest.raises(UserError, match=r"cannot describe <object object at .*> in the keys of results"):
        identity({"a": object()})
