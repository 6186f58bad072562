"""Implements `prunebench list` and `prunebench models`."""

from collections.abc import Callable

from tabulate import tabulate

from prunebench.data.preparing import prepare
from prunebench.errors import UserError, known_names, unknown
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.options import keyword_defaults
from prunebench.plugins.registry import Registry, get_model
from prunebench.plugins.regulariser import regulariser_options
from prunebench.records.names import ALIASES
from prunebench.study.spec import presets, split_list

_COMMON_OPTIONS = keyword_defaults(prepare)  # of every dataset
_CONTROLS = [
    ["dense_continued", "", "", "the dense network, trained for the same epochs", "control"],
    ["shuffle:X", "", "", "the widths of X, random units", "control"],
    ["scratch:X", "", "", "the widths of X, fresh weights, the whole budget", "control"],
]


def listing(kind: str, plugins: tuple[str, ...]) -> str:
    """List the criteria, datasets, models or presets; an empty kind lists all four."""
    makers: dict[str, Callable[[Registry], str]] = {
        "criteria": _criteria,
        "datasets": _datasets,
        "models": _models,
        "presets": lambda _: tabulate(presets().items(), ["preset", "description"], "simple"),
    }
    if kind and kind not in makers:
        raise unknown("kind", kind, makers)
    registry = Registry(plugins)
    parts = [make(registry) for name, make in makers.items() if not kind or name == kind]
    parts += [f"not loaded: {source}: {reason}" for source, reason in registry.failures.items()]
    return "\n\n".join(parts)


def _criteria(registry: Registry) -> str:
    rows = []
    for name, entry in sorted(registry.criteria.items()):
        record = entry.plugin
        evidence = ", ".join(record.evidence)
        rows.append([name, evidence, _options(record), record.reference, entry.origin])
    rows += [[name, "", "", f"= {meaning}", "alias"] for name, meaning in ALIASES.items()] + _CONTROLS
    head = ["criterion", "evidence", "options", "source", "origin"]
    return tabulate(rows, head, "simple", maxcolwidths=[None, 28, 24, 50, None])


def _options(record: AnyCriterion) -> str:
    options = record.own_options | (regulariser_options(record.regulariser) if record.regulariser else {})
    return ", ".join(f"{name}={option.default}" for name, option in options.items())


def _datasets(registry: Registry) -> str:
    rows = []
    for name, entry in sorted(registry.datasets.items()):
        record = entry.plugin
        label = f"{name}:{record.takes_argument}" if record.takes_argument else name
        own = [f"{key}={value}" for key, value in record.options.items() if _COMMON_OPTIONS.get(key) != value]
        rows.append([label, ", ".join(own), ", ".join(record.augment), record.licence, record.source, entry.origin])
    head = ["dataset", "options", "augmentation", "licence", "source", "origin"]
    table = tabulate(rows, head, "simple", maxcolwidths=[None, 22, None, 36, 44, None])
    return f"{table}\n\noptions of every dataset: size=64, classes=10 or cat/dog, channels=3, augment=crop/flip or none"


def _models(registry: Registry) -> str:
    rows = []
    for name, entry in sorted(registry.models.items()):
        record = entry.plugin
        label = f"{name}:{record.takes_argument}" if record.takes_argument else name
        options = ", ".join(f"{key}={value}" for key, value in keyword_defaults(record.build).items())
        rows.append([label, options, record.reference, entry.origin])
    rows.append(["module:function", "its own", "your own function that returns a network", "working folder, packages"])
    return tabulate(rows, ["model", "options", "source", "origin"], "simple", maxcolwidths=[None, 24, 60, None])


def check_models(
    names: tuple[str, ...],
    *,
    everything: bool,
    plugins: tuple[str, ...],
    sizes: tuple[int, ...] = (),
    channels: int = 3,
    classes: int = 10,
    kind: str = "simple",
) -> tuple[str, bool]:
    """Check models. Returns a table (see `testing.model.model_table`), and whether no model failed.

    kind: of the table, as tabulate names it. A refused model counts as failed unless `everything` is checked. Raises
    `UserError` for unknown names and impossible pictures.
    """
    from prunebench.models._torchvision import names as torchvision_names
    from prunebench.testing.model import SIZES, model_table

    registry = Registry(plugins)
    labels = list(split_list(names))
    if everything:
        labels += [name for name, entry in sorted(registry.models.items()) if not entry.plugin.takes_argument]
        labels += [f"torchvision:{name}" for name in torchvision_names()]
    if not labels:
        known = known_names("model", registry.models)
        raise UserError(f"no model to check: give names or --all; {known}")
    if channels < 1 or classes < 2 or min(sizes, default=1) < 1:
        given = f"--size {min(sizes, default=0)}, --channels {channels}, --classes {classes}"
        raise UserError(f"{given}: too small; give at least 1 pixel, 1 channel and 2 classes")
    models = [(label, get_model(label, registry)) for label in dict.fromkeys(labels)]
    text, found = model_table(models, sizes or SIZES, channels, classes, kind=kind)
    return text, not {"no"} & found and (everything or not {"refused"} & found)
