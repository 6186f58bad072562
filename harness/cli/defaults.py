"""Training defaults of the model families, for the help. Read from the models themselves, which imports torch."""

import sys
from collections.abc import Iterable, Mapping

_WITH_OPTIONS = {"run", "sweep", "tune", "choose"}  # commands whose help shows the defaults


def family_defaults(option: str) -> str:
    """Say an option's default, by model family where the help is asked for: importing the models takes seconds.

    option: a field of `prunebench.plugins.model.Training`, such as `epochs`.
    """
    if "--help" not in sys.argv or not _WITH_OPTIONS & set(sys.argv):
        return "by model"
    try:
        from prunebench.plugins.model import Training
        from prunebench.plugins.registry import load_registry
    except ImportError:  # a machine for reports alone
        return "by model"
    if option not in Training.__dataclass_fields__:
        return "data, or imagenet with published weights"
    families: dict[str, list[str]] = {}
    values: dict[str, float] = {}
    for name, entry in load_registry(()).models.items():
        families.setdefault(str(entry.source), []).append(name)
        values[str(entry.source)] = getattr(entry.plugin.training, option)
    named = {_range(names): values[source] for source, names in families.items()}
    return "by model family: " + _grouped({**named, "your own": getattr(Training(), option)})


def _range(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"


def _grouped(values: Mapping[str, float]) -> str:
    """Write each value with the families that have it.

    >>> _grouped({"lenet5": 30, "vgg11 ... vgg19_bn": 100, "timm": 30})
    '30 lenet5, timm; 100 vgg11 ... vgg19_bn'
    """
    distinct: Iterable[float] = dict.fromkeys(values.values())
    return "; ".join(f"{one:g} {', '.join(n for n, value in values.items() if value == one)}" for one in distinct)
