"""Writes a network as a folder that rebuilds it without PruneBench, and checks that the folder does."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from prunebench.errors import CellError, UserError, reason
from prunebench.exporting.checks import check_network
from prunebench.exporting.code import python_file
from prunebench.exporting.onnx_file import check_equal, require_onnx, write_onnx
from prunebench.exporting.place import CODE, CONFIG, FORMAT, ONNX, README, claim, move_in, writing
from prunebench.exporting.tracing import layers_graph, operations_graph
from prunebench.records.store_files import MASKS, WEIGHTS
from prunebench.words import in_python_words

TOLERANCE = 1e-6  # of scores
TRAINABLE = (
    "It can be trained further. The code shows the network as it runs in eval mode, so dropout and stochastic depth "
    "may be missing: add them before you train."
)
INFERENCE = "It is for inference alone: the code lists torch's operations as they run in eval mode."


@dataclass(frozen=True)
class About:
    """What an exported folder says of its network besides its code.

    title: one line. classes: names, in the order of the scores. mean, std: of each channel of pictures from 0 to 1;
    empty where unknown. masks: by layer of pruned single weights, true for the remaining ones. facts: more for
    `config.json`, such as the accuracy on record.
    """

    title: str = "A network pruned by PruneBench."
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@in_python_words(to="folder")
def export(
    network: nn.Module,
    folder: Path | str,
    pictures: Tensor | None = None,
    *,
    about: About | None = None,
    onnx: bool = False,
) -> list[Path]:
    """Write a folder that rebuilds a network without PruneBench. Returns the paths of its files.

    The folder holds `network.py`, `weights.safetensors`, `config.json` and `README.md`. The network rebuilt from it
    gives the same scores to 1e-6. The files of an earlier export are replaced; no other file is ever deleted.

    Args:
        network: any float32 network, for example the `model` of a pruned `Network`. It is not changed.
        folder: absent, empty, or of an earlier export.
        pictures: a batch (n, channels, height, width) of any content, for the size of the input; always needed.
        about: title, class names, moments and further facts. `config.json` holds the facts of `network.pruned`, too.
        onnx: whether to write `network.onnx`, too, for any number of pictures; its scores are the same to 1e-4.

    Raises:
        UserError: the folder holds something else; `about` does not fit; the network gives no scores (n, classes) or
            cannot be followed.

    >>> import tempfile
    >>> net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     [path.name for path in export(net, place + "/small", torch.zeros(1, 1, 4, 4))]
    ['README.md', 'config.json', 'network.py', 'weights.safetensors']
    """
    place, about = claim(folder), _with_facts(about or About(), network)
    if onnx:
        require_onnx("--onnx")
    bare, batch = check_network(network, pictures, about)
    writing(place, lambda: place.parent.mkdir(parents=True, exist_ok=True))
    paths: list[Path] = []

    def write() -> None:
        with tempfile.TemporaryDirectory(dir=place.parent, suffix=".part") as made:
            _fill(bare, batch, Path(made), about, onnx)
            paths.extend(move_in(Path(made), place))

    writing(place, write)
    return paths


def _with_facts(about: About, network: nn.Module) -> About:
    """Add what a network of `prune` or `Results.network` carries as `network.pruned`. What is given goes first."""
    pruned: Any = getattr(network, "pruned", None)
    if not hasattr(pruned, "facts"):
        return about
    return replace(about, facts={**pruned.facts(), **about.facts}, masks=about.masks or pruned.masks)


def _fill(network: nn.Module, batch: Tensor, place: Path, about: About, onnx: bool) -> None:
    """Write all files of an export into an empty folder."""
    try:
        inference = _write_code(network, batch, place, about)
        if onnx:
            write_onnx(network, batch, place / ONNX)
    except CellError as error:
        raise UserError(f"{about.title.rstrip('.')} cannot be exported: {error}") from error
    _write_facts(network, batch, place, about, inference)


def _write_code(network: nn.Module, batch: Tensor, place: Path, about: About) -> bool:
    """Write code and weights. Returns whether they are for inference alone."""
    try:
        _write_graph(layers_graph(network), network, batch, place, about)
        return False
    except CellError as error:
        first = error
    try:
        _write_graph(operations_graph(network, batch), network, batch, place, about)
        return True
    except CellError as error:
        raise CellError(f"{first}; {error}") from error


def _write_graph(graph: Any, network: nn.Module, batch: Tensor, place: Path, about: About) -> None:
    with torch.inference_mode():
        wanted = network(batch.clone())
    channels, height, width = batch.shape[1:]
    text, tensors = python_file(
        graph,
        _plain(about.title),
        what=f"(batch, {channels}, {height}, {width})",
        classes=str(wanted.shape[1]),
        mean=repr(list(about.mean or (0.0,) * channels)),
        std=repr(list(about.std or (1.0,) * channels)),
    )
    (place / CODE).write_text(text)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, place / WEIGHTS)
    again = rebuilt(place)
    for count in (len(batch), 1):
        with torch.inference_mode():
            check_equal(again(batch[:count].clone()), network(batch[:count].clone()), TOLERANCE, CODE)


def _plain(text: str) -> str:
    """Leave out what would end a docstring."""
    return text.replace("\\", "/").replace('"', "'")


def rebuilt(folder: Path) -> nn.Module:
    """Build the network of an exported folder by the folder's own code."""
    path = folder / CODE
    space: dict[str, Any] = {"__file__": str(path), "__name__": CODE.removesuffix(".py")}
    try:
        exec(compile(path.read_text(), path, "exec"), space)
        model: nn.Module = space["load"]()
    except Exception as error:
        raise CellError(f"{CODE} fails: {reason(error)}") from error
    return model


def _write_facts(network: nn.Module, batch: Tensor, place: Path, about: About, inference: bool) -> None:
    if about.masks:
        save_file({name: mask.cpu().contiguous() for name, mask in about.masks.items()}, place / MASKS)
    channels, height, width = batch.shape[1:]
    facts = {
        **about.facts,
        "format": FORMAT,
        "title": about.title,
        "input": {"channels": channels, "height": height, "width": width},
        "classes": list(about.classes) or None,
        "mean": list(about.mean) or None,
        "std": list(about.std) or None,
        "parameters": sum(p.numel() for p in network.parameters()),
        "inference_only": inference,
        "made_by": {name: version(name) for name in ("prunebench", "torch")},
    }
    (place / CONFIG).write_text(json.dumps(facts, indent=1) + "\n")
    (place / README).write_text(_readme(about, inference, (place / ONNX).exists()))


def _readme(about: About, inference: bool, onnx: bool) -> str:
    lines = [f"# {about.title.rstrip('.')}", ""]
    lines += [f"- `{CODE}` and `{WEIGHTS}` rebuild the network. They need torch and safetensors, not PruneBench."]
    lines += [f"- `{CONFIG}`: size of the input, class names, normalisation, costs and accuracy on record."]
    if about.masks:
        lines += [f"- `{MASKS}`: true for the single weights that remain. The others are zero in `{WEIGHTS}`."]
    if onnx:
        lines += [f"- `{ONNX}`: the same network for ONNX Runtime; input `pictures`, output `scores`."]
    use = INFERENCE if inference else TRAINABLE
    if not about.mean:
        use += " The normalisation of its pictures is not on record: set `MEAN` and `STD` in the code."
    lines += ["", use, "", "```python", "from network import load, prepare", "", "network = load()"]
    return "\n".join([*lines, "scores = network(prepare(pictures))  # uint8, or from 0 to 1", "```", ""])
