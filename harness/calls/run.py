"""Compute a grid, of names and of objects."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

from prunebench.calls.arguments import check_flags, check_folder, check_options, read_plugins, read_seeds
from prunebench.calls.keeps import read_budget
from prunebench.calls.own import Own
from prunebench.calls.results import Results
from prunebench.calls.session import is_temporary, offering, settings_kept, temporary_folder, told
from prunebench.errors import UserError, unknown
from prunebench.plugins.own_network import OwnNetwork
from prunebench.plugins.registry import load_registry
from prunebench.preview.dry_run import Preview, preview
from prunebench.records.record import Record
from prunebench.study.grid import make_grid, names_data, prepare_task, warn_of_race_seeds
from prunebench.study.progress import Progress
from prunebench.study.run import configure, run as run_grid
from prunebench.study.spec import Spec, make_spec
from prunebench.study.task import Task
from prunebench.words import in_python_words

log = logging.getLogger("prunebench")


@overload
def run(*, dry_run: Literal[True], **options: Any) -> Preview: ...


@overload
def run(*, dry_run: Literal[False] = False, **options: Any) -> Results: ...


def run(
    *,
    models: Any = None,
    datasets: Any = None,
    criteria: Any = None,
    keeps: Any = None,
    seeds: Any = None,
    results: str | Path | None = None,
    quiet: bool = False,
    config: str | Path | None = None,
    dry_run: bool = False,
    **options: Any,
) -> Results | Preview:
    """Train, prune and measure a grid, as `prunebench run` does. Finished points are reused.

    Several things of a kind are a list, or a dictionary that names them.

    Args:
        models: names, networks (`nn.Module`, which are pruned as they are), functions or classes that build networks.
        datasets: names, datasets of PyTorch, pairs (pictures, labels), pairs (training, test) of these.
        criteria: names, `Criterion` records, or functions whose arguments name the evidence.
        keeps: fractions of one budget metric, such as ``{"macs": [0.5, 0.25]}``; ``[0.5, 0.25]`` are of the MACs.
        seeds: whole numbers, such as ``range(6)``.
        results: folder of the results; by default a temporary one, which is deleted when Python ends.
        quiet: show warnings alone, no progress.
        config: TOML file with any of these options.
        dry_run: return the `Preview` of the run, which lists points, time and disk space. Nothing is computed.
        options: every other option of `prunebench run` by its name, such as `epochs` or `workers`.

    Raises:
        UserError: a name or object cannot be used. The message says which, and what is allowed.

    >>> import torch
    >>> from torch import nn
    >>> pictures, labels = torch.randint(0, 256, (80, 1, 8, 8), dtype=torch.uint8), torch.arange(80) % 2
    >>> network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
    >>> results = run(models=network, datasets=(pictures, labels), criteria=["magnitude", "taylor"], quiet=True,
    ...               keeps={"macs": 0.5}, seeds=[0], sparse_epochs=0, rung_epochs=0, finetune_epochs=1, batch=16)
    >>> results.summary()[["criterion", "keep", "n"]].values.tolist()
    [['magnitude', 0.5, 1], ['taylor', 0.5, 1]]
    """
    with in_python_words(keep="keeps"), settings_kept():
        check_flags(quiet=quiet, dry_run=dry_run)
        given = _checked(options, keeps)
        plugins = read_plugins(given.get("plugin"), "plugin")
        own = Own(load_registry(plugins))
        given |= {"criteria": _named(own.criteria, criteria), "models": _named(own.models, models)}
        given |= {"datasets": _named(own.datasets, datasets), "seeds": read_seeds(seeds)}
        given["results"] = temporary_folder() if results is None else check_folder(results, "results")
        if config is not None:
            check_folder(config, "config")
        with told(quiet), offering(own.plugins) as tokens:
            spec = make_spec(given | {"plugin": (*plugins, *tokens)}, config, default_preset="quick")
            if not names_data(spec) and any(isinstance(one, OwnNetwork) for one in own.plugins):
                cure = "give those of the network, as in datasets=(pictures, labels)"
                raise UserError(
                    f"datasets: no pictures given, and the default, digits, is not for your network; {cure}"
                )
            own.check_workers(spec)
            configure(spec)
            warn_of_race_seeds(spec)
            return preview(make_grid(spec)) if dry_run else compute(spec, _command(spec, given, own.objects))


def compute(spec: Spec, command: str = "", apart: bool = False, careful: bool = False) -> Results:
    """Compute all options of a run. command: what to note as the command, by default that of this process.

    apart: whether to compute in a worker process, where one would do without. careful: whether to do so after a killed
    run.
    """
    grid = make_grid(spec)
    tasks = [prepare_task(spec, *pair) for pair in spec.pairs]  # before the grid: an error here loses no result
    models = {task.model.label: task.model for task in tasks}
    chances = dict(map(_chance, tasks))
    del tasks  # they hold the pictures
    with Progress() as progress:
        records = run_grid(grid, progress, command, apart, careful)
    _warn_of_chance(records, chances)
    return Results.of_run(grid, records, models, command)


def _named(name: Any, given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    names: tuple[str, ...] = name(given)
    if not names:
        raise UserError(f"{name.__name__}: none given; give one or more, or leave the argument out")
    return names


def _checked(options: dict[str, Any], keeps: Any) -> dict[str, Any]:
    """Check the names and kinds of options, and join the keeps."""
    for name in options:
        if name not in Spec.model_fields or name == "tasks":
            known = {*Spec.model_fields, "keeps", "quiet", "config", "dry_run"} - {"tasks", "keep"}
            raise unknown("argument", name, known, "run")
    if keeps is not None and options.get("keep") is not None:
        raise UserError("keep and keeps are one option; give keeps")
    keeps = options.get("keep") if keeps is None else keeps
    check_options({name: value for name, value in options.items() if name not in ("keep", "plugin")})
    return options if keeps is None else options | {"keep": read_budget(keeps, "keeps")}


def _command(spec: Spec, given: dict[str, Any], objects: Sequence[str]) -> str:
    """Write the call for the report, with names in place of objects, which a comment lists."""
    named = {name: getattr(spec, name) for name, value in given.items() if value is not None}
    if is_temporary(spec.results):
        del named["results"]
    shown = {name: value if isinstance(value, bool | int | float) else str(value) for name, value in named.items()}
    shown |= {name: " ".join(named[name]) for name in ("criteria", "models", "datasets", "plugin") if name in named}
    call = f"prunebench.run({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
    return f"{call}  # your own objects: {', '.join(objects)}" if objects else call


class _Chance(NamedTuple):
    """What guessing gives. cure: what to do about a dense network that is hardly better."""

    accuracy: float
    cure: str

    @property
    def beaten(self) -> float:
        """The accuracy from which on a network has learned something of the data.

        >>> [round(_Chance(1 / classes, "").beaten, 3) for classes in (2, 10, 100)]
        [0.55, 0.15, 0.015]
        """
        return min(1.5 * self.accuracy, self.accuracy + 0.1 * (1 - self.accuracy))


def _chance(task: Task) -> tuple[tuple[str, str], _Chance]:
    """Give the names of a task, and what guessing gives there."""
    if task.protocol.epochs:
        cure = "train it longer with --epochs, or give another --rate"
    elif task.model.digest:
        cure = "train it first, or give --epochs; or is it used to other pictures?"
    else:
        cure = "are its weights of these classes, and of pictures that are scaled as these are?"
    return (task.dataset_label, task.model.label), _Chance(1 / len(task.loaded.classes), cure)


def _warn_of_chance(records: Iterable[Record], chances: Mapping[tuple[str, str], _Chance]) -> None:
    """Warn of tasks whose dense network is hardly better than chance: what it loses by pruning says little."""
    lowest: dict[tuple[str, str], float] = {}
    for one in records:
        if one.accuracy:
            task = one.cell.dataset, one.cell.model
            lowest[task] = min(lowest.get(task, 1.0), one.accuracy.dense)
    for (dataset, model), accuracy in lowest.items():
        chance = chances[dataset, model]
        if accuracy < chance.beaten:
            what = f"is right on {100 * accuracy:.1f} % of the test pictures before pruning, about chance"
            log.warning("'%s' on %s %s: %s", model, dataset, what, chance.cure)
