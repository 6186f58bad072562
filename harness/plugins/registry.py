"""The registry of criteria, datasets and models, built-in, installed or from plugin files."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from prunebench.errors import UserError, kind_of, unknown
from prunebench.plugins import discovery
from prunebench.plugins.criterion import AnyCriterion, Criterion, ModelScore
from prunebench.plugins.dataset import Dataset
from prunebench.plugins.given import is_token, objects
from prunebench.plugins.guard import imported, why
from prunebench.plugins.model import Model
from prunebench.plugins.options import split_name
from prunebench.plugins.sources import PLUGIN_PACKAGES, texts
from prunebench.plugins.user_model import user_model
from prunebench.records.names import ALIASES, CONTROLS

Plugin = Criterion | ModelScore | Dataset | Model
P = TypeVar("P", bound=Plugin)

RESERVED = dict.fromkeys((*ALIASES, *CONTROLS), "PruneBench itself")
THIS_CALL = "this call"  # the origin of plugins that were given as objects
NAME = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True)
class Entry(Generic[P]):
    """A plugin and its place. origin: the place in words; source: the file."""

    plugin: P
    origin: str
    source: Path


class Registry:
    """All criteria, datasets and models by name.

    Args:
        plugins: plugin files (`path/to/file.py`) or modules (`package.module`); each may define all three kinds.

    Other modules that fail to import are in `failures`, by origin with the reason, and do not stop the rest. `texts`
    holds the texts that worker processes must run. `idle` holds the origins that define none of the three.

    Raises:
        UserError: a plugin file does not exist or cannot be loaded; two plugins of one kind share a name.

    >>> get_model("lenet5", Registry()).name
    'lenet5'
    """

    def __init__(self, plugins: tuple[str, ...] = ()) -> None:
        self.criteria: dict[str, Entry[AnyCriterion]] = {}
        self.datasets: dict[str, Entry[Dataset]] = {}
        self.models: dict[str, Entry[Model]] = {}
        self.failures: dict[str, str] = {}
        self.idle: list[str] = []
        files: set[Path] = set()
        for place in discovery.places(tuple(text for text in plugins if not is_token(text))):
            self._take(place, files)
        for plugin in objects(plugins):
            self._add(plugin, THIS_CALL, Path)
        self.texts = texts()
        named = {
            origin: reason for origin, reason in self.failures.items() if origin.startswith("plugin ")
        }  # by the user
        broken = [f"{origin} cannot be loaded: {reason}" for origin, reason in named.items()]
        if broken:
            raise UserError("; ".join(broken))

    def _take(self, place: discovery.PluginSource, files: set[Path]) -> None:
        try:
            module = imported(place.origin, place.load)
            plugins = _plugins_in(module, place.attribute)
            file = _file(module)
        except BaseException as error:
            self.failures[place.origin] = why(error)
            return
        if file in files and not place.attribute:
            return  # the same file under another name, or given twice
        if not place.attribute:
            files.add(file)
        if not plugins and place.origin.startswith("plugin "):
            self.idle.append(place.origin)
        for plugin in plugins:
            home = _home(plugin, module)
            origin = home.__name__ if home.__name__.startswith(PLUGIN_PACKAGES) else place.origin
            self._add(plugin, origin, partial(_file, home))

    def unknown(self, kind: str, name: str, others: Iterable[str] = ()) -> UserError:
        """Make the error for an unknown name, which an idle plugin may have been meant to bring."""
        tables = {"criterion": [*self.criteria], "dataset": [*self.datasets], "model": [*self.models]}
        idle = "".join(
            f"; {origin} defines no criterion, dataset or model, as by Criterion(score)" for origin in self.idle
        )
        return UserError(f"{unknown(kind, name, [*tables[kind], *others])}{idle}")

    def _add(self, plugin: Plugin, origin: str, file: Callable[[], Path]) -> None:
        kind, table = self._table(plugin)
        old = table.get(plugin.name)
        if old is not None and old.plugin is plugin:
            return
        if not NAME.fullmatch(plugin.name):
            self.failures[origin] = f"{kind} '{plugin.name}': use letters, digits, _ . and - in a name, a letter first"
            return
        taken = old.origin if old else RESERVED.get(plugin.name) if kind == "criterion" else None
        if taken == origin == THIS_CALL:
            raise UserError(f"{kind} '{plugin.name}' is given twice; name both, as in {{'one': ..., 'other': ...}}")
        if taken:
            cure = f"name yours, as in {{'my_{plugin.name}': ...}}" if origin == THIS_CALL else "rename one"
            raise UserError(f"{kind} '{plugin.name}' is defined twice: by {taken} and by {origin}; {cure}")
        table[plugin.name] = Entry(plugin, origin, file())

    def _table(self, plugin: Plugin) -> tuple[str, dict[str, Any]]:
        match plugin:
            case Dataset():
                return "dataset", self.datasets
            case Model():
                return "model", self.models
            case _:
                return "criterion", self.criteria


@cache
def load_registry(plugins: tuple[str, ...]) -> Registry:
    """Return the registry with some plugin files; it is made once per process."""
    return Registry(plugins)


def get_criterion(text: str, registry: Registry) -> AnyCriterion:
    """Find a criterion and set its options, `obd:curvature=exact`."""
    name, options, argument = split_name(text)
    if argument:
        raise UserError(f"'{argument}' in '{text}' is not an option; write {name}:key=value")
    return _find("criterion", name, registry.criteria, registry).with_options(options)


def get_model(text: str, registry: Registry) -> Model:
    """Find a model and set its options, `vgg11_bn:width=0.5`, `torchvision:resnet18,weights=DEFAULT`.

    Where the name is not registered, `name:function` is the user's own function in a module or file (see `user_model`).
    """
    name, options, argument = split_name(text)
    if name not in registry.models and argument:
        return user_model(name, argument, options)
    if name.endswith(".py"):
        raise UserError(f"model '{text}': name a function of the file that builds the network, as in {name}:make")
    model = _find("model", name, registry.models, registry)
    _check_argument("model", name, model.takes_argument, argument)
    return replace(model, argument=argument).with_options(options)


def get_dataset(text: str, registry: Registry) -> tuple[Dataset, str]:
    """Find a dataset and set its options; also return the argument, PATH of `folder:PATH,size=32`."""
    name, options, argument = split_name(text)
    dataset = _find("dataset", name, registry.datasets, registry)
    _check_argument("dataset", name, dataset.takes_argument, argument)
    return dataset.with_options(options), argument


def _check_argument(kind: str, name: str, wanted: str, argument: str) -> None:
    if bool(argument) != bool(wanted):
        what = f"needs {wanted}: write {name}:{wanted}" if wanted else f"takes no argument '{argument}'; write {name}"
        raise UserError(f"{kind} '{name}' {what}")


def _find(kind: str, name: str, table: Mapping[str, Entry[P]], registry: Registry) -> P:
    if name not in table:
        raise registry.unknown(kind, name)
    return table[name].plugin


def _plugins_in(module: ModuleType, attribute: str) -> list[Plugin]:
    if not attribute:
        return [value for value in vars(module).values() if isinstance(value, Plugin)]
    value = attrgetter(attribute)(module)
    if not isinstance(value, Plugin):
        raise ImportError(f"{attribute} is {kind_of(value)}, not a criterion, dataset or model")
    return [value]


def _home(plugin: Plugin, module: ModuleType) -> ModuleType:
    """Find the module that made a plugin; `module` may have imported the plugin."""
    function = (
        plugin.load if isinstance(plugin, Dataset) else plugin.build if isinstance(plugin, Model) else plugin.score
    )
    home = sys.modules.get(getattr(function, "__module__", ""))
    made_there = home is not None and any(value is plugin for value in vars(home).values())
    return home if home is not None and made_there else module


def _file(module: ModuleType) -> Path:
    if not module.__file__:
        raise ImportError(f"{module.__name__} has no source file")
    return Path(module.__file__).resolve()
