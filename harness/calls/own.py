"""Objects of a call: each becomes a plugin with a name, as if a file had registered it."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from prunebench.calls.pictures import FORMS, described, is_dataset, is_pair, load_given
from prunebench.data.loaded import Loaded
from prunebench.errors import UserError
from prunebench.plugins.criterion import AnyCriterion, Criterion, ModelScore, scores_whole_models
from prunebench.plugins.dataset import Dataset, Source
from prunebench.plugins.identity import forget_unreadable, identity, unreadable
from prunebench.plugins.model import Model
from prunebench.plugins.own_network import OwnNetwork
from prunebench.plugins.registry import NAME, Registry, get_criterion, get_model
from prunebench.plugins.user_model import function_model
from prunebench.pruning.suitability import inside
from prunebench.study.spec import Spec

Make = Callable[[Any, str, str], Any]  # (what was given, its name, the argument) -> plugin or name


@dataclass(frozen=True, eq=False)
class _Held:
    """A loader that has loaded already."""

    loaded: Loaded

    def __call__(self, source: Source) -> Loaded:
        return self.loaded


@dataclass(eq=False)
class Own:
    """The objects of one call. known: what names stand for; plugins: what was made of the objects.

    objects: name and argument of each, such as `Sequential (models)`.
    """

    known: Registry
    plugins: list[Any] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        forget_unreadable()  # before a network is taken, which is hashed at once

    def criteria(self, given: Any, argument: str = "criteria") -> tuple[str, ...]:
        """Name criteria: names, records, or functions, whose arguments name the evidence."""
        return self._names(given, argument, self._criterion)

    def models(self, given: Any, argument: str = "models") -> tuple[str, ...]:
        """Name models: names, records, networks, or functions and classes that build networks."""
        return self._names(given, argument, self._model)

    def datasets(self, given: Any) -> tuple[str, ...]:
        """Name datasets: names, records, and what `load_given` takes."""
        one = isinstance(given, tuple) or is_pair(given) or is_dataset(given)
        return self._names([given] if one and not _is_names(given) else given, "datasets", self._dataset)

    def check_workers(self, spec: Spec) -> None:
        """Raise `UserError` for worker processes where an object cannot be hashed or handed to another process."""
        named = {"engine": spec.engine not in ("auto", "serial"), "workers": spec.workers > 1}
        named["cell_timeout"] = bool(spec.cell_timeout)
        option = next((f"{name}={getattr(spec, name)}" for name, asked in named.items() if asked), "")
        if not option:
            return
        for plugin in self.plugins:
            if not isinstance(plugin, Dataset):  # a dataset counts by its pictures
                identity(plugin)
        if found := unreadable():
            raise UserError(f"{option}: {found[0]}, which other processes cannot have; leave it out")
        for plugin in self.plugins:
            _check_sendable(plugin, option)

    def _names(self, given: Any, argument: str, make: Make) -> tuple[str, ...]:
        if isinstance(given, Mapping):
            return tuple(self._name(one, str(name), argument, make) for name, one in given.items())
        if isinstance(given, str) or not isinstance(given, list | tuple | set | frozenset):
            given = [given]
        return tuple(one if isinstance(one, str) else self._name(one, "", argument, make) for one in given)

    def _name(self, one: Any, name: str, argument: str, make: Make) -> str:
        found = name or _own_name(one)
        if not NAME.fullmatch(found):
            cure = f"{argument}={{'my_name': ...}}"
            raise UserError(f"{argument}: '{found}' is no name of letters, digits, _ . and -; give one, as in {cure}")
        plugin = make(one, found, argument)
        if isinstance(plugin, str):
            return plugin
        self.plugins.append(plugin)
        self.objects.append(f"{plugin.name} ({argument})")
        return str(plugin.name)

    def _criterion(self, given: Any, name: str, argument: str) -> AnyCriterion | str:
        if isinstance(given, str):
            raise UserError(
                f"{argument}: '{name}' stands for the name '{given}'; give an object, or the name in a list"
            )
        if isinstance(given, Criterion | ModelScore):
            return given.label if _is_known(given, name, get_criterion, self.known) else _renamed(given, name)
        if not callable(given):
            cure = "a name, a Criterion, or a function of evidence such as score(weight, grad)"
            raise UserError(f"{argument}: {described(given)}; give {cure}")
        return ModelScore(given, name=name) if scores_whole_models(given) else Criterion(given, name=name)

    def _model(self, given: Any, name: str, argument: str) -> Model | str:
        if isinstance(given, nn.Module):
            return OwnNetwork.of(given, name)
        if isinstance(given, Model):
            return given.label if _is_known(given, name, get_model, self.known) else _renamed(given, name)
        if not callable(given):
            what = "a name, a torch.nn.Module, or a function that builds one"
            raise UserError(f"{argument}: {described(given)}; give {what}")
        return function_model(given, name)

    def _dataset(self, given: Any, name: str, argument: str) -> Dataset | str:
        if isinstance(given, Dataset):
            same = self.known.datasets.get(name)
            return name if same is not None and same.plugin == given else _renamed(given, name)
        if isinstance(given, str | int | float) or given is None:
            raise UserError(f"{argument}: {described(given)}; give {FORMS}")
        return Dataset(_Held(load_given(given, name)), name=name)


def _own_name(one: Any) -> str:
    """Name an object: a record by its name, a function or class by its own, others by their class."""
    if isinstance(one, tuple | list) and one and is_dataset(one[0]):
        one = one[0]
    if isinstance(one, tuple | list | Tensor | np.ndarray | Loaded):
        return "pictures"
    name = one.name if isinstance(one, Criterion | ModelScore | Model | Dataset) else getattr(one, "__name__", "")
    return str(name or type(inside(one) if isinstance(one, nn.Module) else one).__name__)


def _renamed(record: Any, name: str) -> Any:
    return record if record.name == name else replace(record, name=name)


def _is_known(record: Any, name: str, find: Callable[[str, Registry], Any], known: Registry) -> bool:
    """Tell whether a record, under its own name, is the registered one of its label."""
    try:
        return bool(record.name == name and find(record.label, known) == record)
    except UserError:
        return False


def _is_names(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(one, str) for one in given)


def _check_sendable(plugin: Any, option: str) -> None:
    """Raise `UserError` for an object that a worker process could not be handed."""
    if isinstance(plugin, Dataset) and isinstance(plugin.load, _Held):
        return
    leave = f"or leave {option.partition('=')[0]} out"
    cure = f"define it in a file and import it from there, {leave}"
    try:
        text = pickle.dumps(plugin)
    except Exception as error:
        why = " ".join(str(error).split())
        cure = f"give a function or method of a file in place of the lambda, {leave}" if "<lambda>" in why else cure
        raise UserError(f"{option}: '{plugin.name}' cannot be handed over ({why}); {cure}") from None
    if b"__main__" in text:
        what = "is defined in the notebook, session or script itself, which other processes do not run"
        raise UserError(f"{option}: '{plugin.name}' {what}; {cure}")
