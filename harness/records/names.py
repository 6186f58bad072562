"""Names with a fixed meaning: metrics, rankings, backends, aliases and controls. Torch-free: reports read them too."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

Metric = Literal["macs", "params", "units", "weights"]
METRICS: tuple[Metric, ...] = get_args(Metric)
ScoreRanking = Literal["local", "isomorphic", "per-cost", "per-memory", "global"]  # rankings that papers use
RankingName = Literal[ScoreRanking, "published"]
ScoreNorm = Literal["none", "l2", "mean", "max", "standard"]
RANKINGS: tuple[RankingName, ...] = get_args(RankingName)
RepairName = Literal["none", "batchnorm", "bias", "least-squares"]
REPAIRS: tuple[RepairName, ...] = get_args(RepairName)
UnitsName = Literal["filters", "blocks"]
OptimiserName = Literal["sgd", "adam", "adamw"]
Backend = Literal["eager", "channels_last", "compile", "onnx", "openvino"]  # built in `prunebench.timing.backends`

ALIASES: Mapping[str, str] = {
    "reg_obd": "hsqgl12+obd",
    "c_obd": "obd:curvature=sampled",  # the baseline of EigenDamage (Wang et al., ICML 2019): OBD summed over a unit
}
RANDOM = "random"  # the control whose score is a draw
CONTROLS = ("dense_continued", "shuffle", "scratch")
PLUS = re.compile(r"\+(?!\d)")  # but not the + of 1e+3


def parts(expression: str) -> tuple[str, ...]:
    """Split `A+B` into its parts, aliases expanded; a single name is its only part.

    >>> parts("reg_obd"), parts("l0:strength=1e+3"), parts("taylor")
    (('hsqgl12', 'obd'), ('l0:strength=1e+3',), ('taylor',))
    """
    return tuple(part.strip() for part in PLUS.split(ALIASES.get(expression, expression)))


def model_label(text: str) -> str:
    """Name a model as records do, where a function in a file may have been typed.

    >>> model_label("../nets.py:small,width=8"), model_label("torchvision:resnet18")
    ('nets:small,width=8', 'torchvision:resnet18')
    """
    head, colon, rest = text.partition(":")
    return f"{Path(head).stem}{colon}{rest}" if head.endswith(".py") else text


def base_names(expression: str) -> tuple[str, ...]:
    """List the criteria that an expression is made of, without their options; none for `dense_continued`.

    >>> base_names("scratch:hsqgl12:strength=0.1+obd"), base_names("reg_obd"), base_names("dense_continued")
    (('hsqgl12', 'obd'), ('hsqgl12', 'obd'), ())
    """
    head, colon, rest = expression.partition(":")
    if head in CONTROLS:
        return base_names(rest) if colon else ()
    return tuple(dict.fromkeys(part.partition(":")[0] for part in parts(expression)))
