"""Options of a run, merged from a preset, a configuration file and the command line."""

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from prunebench.addresses import check_address
from prunebench.errors import UserError, printable, unknown
from prunebench.paths import absolute, exists
from prunebench.plugins.options import plain_error
from prunebench.records.budget import Budget, parse_budget
from prunebench.records.names import Backend
from prunebench.records.protocol import MOST_RUNGS, Protocol

_LARGEST = 10**9  # of whole numbers
_TASKS = {"datasets", "models", "tasks"}
Saving = Literal["none", "final", "all"]
Engine = Literal["auto", "serial", "processes", "ray"]


class Spec(Protocol):
    """All options of a run. Each field is the option of the same name, and its description is the option's help."""

    criteria: tuple[str, ...] = Field(
        ("magnitude", "taylor", "obd", "l1", "l0", "reg_obd", "random"), min_length=1, description="criteria to compare"
    )
    datasets: tuple[str, ...] = Field(("digits",), min_length=1, description="datasets, such as mnist or folder:PATH")
    models: tuple[str, ...] = Field(("lenet5",), min_length=1, description="models, such as vgg11_bn:width=0.5")
    tasks: tuple[str, ...] = Field(
        (), description="pairs such as 'cifar10 x resnet20', in place of --datasets and --models"
    )
    seeds: str = Field("0-2", description="seeds, such as 0-4 or 0,3,7")
    keep: Annotated[Budget, BeforeValidator(parse_budget)] = Field(
        Budget("macs", (0.5, 0.25)),
        description="fractions of macs, params or units to keep; weights=0.1,0.05 prunes single weights instead",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    results: Path = Field(Path("results"), description="folder of records, networks and timings")
    data_root: Path = Field(Path("~/.cache/prunebench"), description="folder of the datasets")
    download: bool = Field(False, description="download missing datasets")
    plugin: tuple[str, ...] = Field((), description="Python file or module with more criteria, datasets or models")
    save: Saving = Field("final", description="networks stored in the results folder (final: without rungs)")
    shard: str = Field("", description="share of the blocks for one of several machines: 1/4, 2/4, 3/4 or 4/4")
    engine: Engine = Field("auto", description="engine; auto is serial for one worker, processes for several")
    address: str = Field("", description="Ray cluster of --engine ray: local, auto, HOST:PORT or ray://HOST:PORT")
    workers: int = Field(1, ge=1, le=1024, description="processes that train at the same time, on all machines")
    gpus_per_worker: float = Field(0.0, ge=0, le=1024, description="GPUs of each worker of --engine ray, such as 0.25")
    threads: int = Field(1, ge=1, le=1024, description="threads of each process")
    cell_timeout: int = Field(0, ge=0, description="seconds after which a stage of a cell fails; 0: no limit")
    retry_failed: bool = Field(True, description="compute failed points again")
    backend: Backend = Field("eager", description="backend of the timed networks")
    timing_batch: int = Field(64, ge=1, description="pictures in a timed batch")
    timing_rounds: int = Field(20, ge=4, description="timed rounds of each network")
    thumbnails: int = Field(0, ge=0, le=20, description="test pictures of each dataset to store, for the report")
    preset: str = Field("", description="a name of `prunebench list presets`, or the path of one's own TOML file")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Tasks as (dataset, model): `tasks` where given, else every dataset with every model."""
        if self.tasks:
            return [(dataset, model) for dataset, _, model in (task.partition(" x ") for task in self.tasks)]
        return list(product(self.datasets, self.models))

    @property
    def serial(self) -> bool:
        """Whether one process computes everything, unless foreign code or a killed run asks for care."""
        return self.engine == "serial" or (self.engine == "auto" and self.workers == 1 and not self.cell_timeout)

    def protocol(self) -> Protocol:
        """Return the options that decide results."""
        return Protocol.model_validate({name: getattr(self, name) for name in Protocol.model_fields})


def presets() -> dict[str, str]:
    """Names of the presets, each with the first comment line of its file."""
    folder = resources.files("prunebench") / "presets"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): f.read_text().partition("\n")[0].lstrip("# ") for f in files}


def make_spec(options: Mapping[str, Any], config: Path | str | None = None, default_preset: str = "") -> Spec:
    """Merge preset, configuration file and command line; the later one wins.

    options: by field name; None and empty tuples mean 'not given'. default_preset: the preset of a run without preset,
    configuration, datasets, models and tasks. Raises `UserError` with the nearest allowed name.
    """
    given = {key: value for key, value in options.items() if value not in (None, (), [])}
    filed = _read_toml(Path(config), str(config)) if config else {}
    bare = config is None and not _TASKS & given.keys()
    chosen = given.get("preset") or filed.get("preset") or (default_preset if bare else "")
    layers = (_read_preset(chosen) if chosen else {}, filed, given)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = {**_without_other_tasks(merged, layer), **layer}
    merged["preset"] = _preset_name(chosen) if _is_preset(*layers) else ""
    for name in ("criteria", "datasets", "models", "plugin"):
        value = merged.get(name)
        if isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)):
            merged[name] = split_list(value)
    if isinstance(merged.get("seeds"), int | list):
        merged["seeds"] = str(merged["seeds"]).strip("[]")
    try:
        spec = Spec.model_validate(merged)
    except ValidationError as error:
        raise _as_user_error(error) from None
    _check_values(spec)
    _check_tasks(spec)
    _check_engine(spec)
    if spec.normalise_scores != "none" and spec.ranking not in ("global", "isomorphic"):
        raise UserError(
            f"--normalise-scores {spec.normalise_scores} does nothing under --ranking {spec.ranking}; "
            "give --ranking global or isomorphic"
        )
    if spec.rung_step and spec.rung != Protocol.model_fields["rung"].default:
        raise UserError(f"--rung {spec.rung:g} and --rung-step {spec.rung_step:g} are two ladders; give one of them")
    if spec.rungs_above(spec.keep.fractions[-1]) > MOST_RUNGS:
        option = f"--rung-step {spec.rung_step:g}" if spec.rung_step else f"--rung {spec.rung:g}"
        raise UserError(f"{option}: more than {MOST_RUNGS} rungs down to --keep {spec.keep}; give larger steps")
    places: dict[str, Any] = {"results": absolute(spec.results), "data_root": absolute(spec.data_root)}
    if spec.weights:
        places["weights"] = str(absolute(spec.weights))
    if spec.engine == "ray" and spec.device == "auto":  # the machines of a cluster may differ
        places["device"] = "cuda" if spec.gpus_per_worker else "cpu"
    return spec.model_copy(update=places)


def _preset_name(chosen: str) -> str:
    """Name a preset. A file of one's own keeps its ending where its name is that of a shipped preset."""
    name = Path(chosen).name
    bare = name.removesuffix(".toml")
    return name if name != bare and bare in presets() else bare


def _read_preset(chosen: Any) -> dict[str, Any]:
    """Read a shipped preset by its name or another by its path. Plugins that a file names lie relative to the file."""
    if not isinstance(chosen, str) or not chosen.endswith(".toml"):
        if not isinstance(chosen, str) or chosen not in presets():
            raise unknown("preset", str(chosen), presets())
        return _read_toml(resources.files("prunebench") / "presets" / f"{chosen}.toml", f"preset {chosen}")
    path = absolute(Path(chosen))
    options = _read_toml(path, chosen)
    if "preset" in options:
        raise UserError(f"{chosen}: a preset names no other preset; copy the options that it shall have")
    if isinstance(plugins := options.get("plugin"), str | list):
        named = split_list([str(one) for one in plugins] if isinstance(plugins, list) else plugins)
        beside = {one: path.parent / one for one in named}
        options["plugin"] = [str(file) if exists(file) and file.is_file() else one for one, file in beside.items()]
    return options


def _without_other_tasks(lower: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the tasks of lower layers where a layer names tasks in the other form."""
    named = _TASKS & layer.keys()
    if "tasks" in named and len(named) > 1:
        raise UserError("--tasks stands in place of --datasets and --models; give --tasks, or the other two")
    if "tasks" in lower and named and "tasks" not in named and len(named) < 2:
        cure = "give both --datasets and --models, or --tasks"
        raise UserError(f"--{min(named)}: the preset or configuration file names tasks; {cure}")
    dropped = _TASKS - {"tasks"} if "tasks" in named else {"tasks"} if named else set()
    return {key: value for key, value in lower.items() if key not in dropped}


def _check_values(spec: Spec) -> None:
    """Refuse texts that cannot be in a record or a path, and whole numbers that no computation bears."""
    for name, value in spec:
        flag, places = f"--{name.replace('_', '-')}", ("results", "data_root", "plugin")
        for one in value if isinstance(value, tuple) else (value,):
            text = str(one) if isinstance(one, str | Path) else ""
            odd = [
                c for c in text if ord(c) < 32 or ord(c) == 127 or (0xD800 <= ord(c) < 0xE000 and name not in places)
            ]
            if odd:
                raise UserError(printable(f"{flag} {text}: holds {odd[0]!r}, which no name has; leave it out"))
            if isinstance(one, int) and one > _LARGEST:
                raise UserError(f"{flag} {one}: must be at most {_LARGEST}")


def _check_engine(spec: Spec) -> None:
    """Refuse options that the engine does not have."""
    if spec.engine == "serial" and spec.workers > 1:
        raise UserError(f"--workers {spec.workers}: --engine serial has one process; give --engine processes")
    if spec.engine == "serial" and spec.cell_timeout:
        what = f"--cell-timeout {spec.cell_timeout}: a limit needs a process that is watched"
        raise UserError(f"{what}; give --engine processes")
    if spec.engine != "ray":
        for flag, value in {"--address": spec.address, "--gpus-per-worker": spec.gpus_per_worker}.items():
            if value:
                raise UserError(f"{flag} {value}: only --engine ray has it; add --engine ray, or leave {flag} out")
        return
    check_address(spec.address)
    gpus = spec.gpus_per_worker
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus-per-worker {gpus:g}: above 1, Ray gives whole GPUs; give a whole number")
    if spec.device.startswith("cuda:"):
        raise UserError(f"--device {spec.device}: Ray chooses the GPU of each worker; give --device cuda")
    if spec.device == "cuda" and not gpus:
        raise UserError("--device cuda: with --engine ray, give --gpus-per-worker, such as 1 or 0.25")
    if gpus and spec.device not in ("auto", "cuda"):
        raise UserError(f"--gpus-per-worker {gpus:g}: --device {spec.device} uses no GPU; give --device cuda")


def _check_tasks(spec: Spec) -> None:
    for dataset, model in spec.pairs:
        if not dataset.strip() or not model.strip():
            raise UserError(f"--tasks {dataset}{model}: give DATASET x MODEL, such as 'cifar10 x resnet20'")
    models = dict.fromkeys(model for _, model in spec.pairs)
    if spec.weights and len(models) > 1:
        what = f"fits one model, but this run has {len(models)}: {', '.join(models)}; give one"
        raise UserError(f"--weights {spec.weights}: {what}")


def split_list(text: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    r"""Split names at blanks and commas. A comma before `key=` and a blank after a backslash belong to the name.

    A text that ends in `.py` is the path of one file and stays whole.

    >>> split_list("magnitude obd:curvature=exact,l0")
    ('magnitude', 'obd:curvature=exact', 'l0')
    >>> split_list("folder:/a,size=32 digits")
    ('folder:/a,size=32', 'digits')
    >>> split_list(r"folder:/my\ pictures")
    ('folder:/my pictures',)
    """
    texts = [text] if isinstance(text, str) else text
    parts = [part for item in texts for part in _split(item) if part]
    return tuple(dict.fromkeys(re.sub(r"\\(\s)", r"\1", part) for part in parts))


def _split(item: str) -> list[str]:
    return [item] if item.endswith(".py") else re.split(r"(?<!\\)\s+|,(?![A-Za-z_]\w*=)", item)


def _is_preset(*layers: Mapping[str, Any]) -> bool:
    """Tell whether no layer above the preset changes tasks or protocol; criteria, seeds and keeps may change."""
    decisive = {*Protocol.model_fields, *_TASKS}
    return not any(decisive & set(layer) for layer in layers[1:])


def _read_toml(file: Traversable, where: str) -> dict[str, Any]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{where}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise UserError(f"{where}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # wrong syntax or encoding
        raise UserError(f"{where}: not valid TOML: {error}") from None
    data = {key.replace("-", "_"): value for key, value in data.items()}
    for key in data:
        if key not in Spec.model_fields:
            raise unknown("option", key, Spec.model_fields, where=where)
    return data


def _as_user_error(error: ValidationError) -> UserError:
    first = error.errors()[0]
    name = str(first["loc"][0]).replace("_", "-")
    given = str(first["input"])
    return UserError(f"--{name} {given if len(given) <= 80 else f'{given[:77]}...'}: {plain_error(first)}")
