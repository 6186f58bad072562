"""The results of a run: tables, a report, a figure, and the pruned networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import chain
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn

from prunebench.calls.arguments import check_flags, check_folder, check_number, check_options, read_plugins, read_seed
from prunebench.calls.keeps import read_keep
from prunebench.calls.own import Own
from prunebench.calls.pruned import Pruned, with_facts
from prunebench.calls.session import is_temporary, settings_kept
from prunebench.errors import UserError, unknown
from prunebench.paths import absolute
from prunebench.plugins.model import Model
from prunebench.plugins.registry import load_registry
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.records.tuning import read_tunings
from prunebench.reports.protocols import fits_protocol
from prunebench.reports.reading import newest_day, read_latencies, read_results
from prunebench.reports.results import Results as Found, gather_results, group_latencies
from prunebench.reports.selecting import as_named
from prunebench.study.grid import Grid, find_device
from prunebench.study.networks import allowed_model, rebuild
from prunebench.study.run import about, requested
from prunebench.study.spec import make_spec
from prunebench.study.store import Store
from prunebench.timing.stored import FindModel, time_records
from prunebench.timing.timer import Stopwatch
from prunebench.words import in_python_words, python_words

if TYPE_CHECKING:  # tables and figures take seconds to import, so each method imports its own
    import altair as alt
    import pandas as pd

CHOICES = ("criterion", "keep", "seed", "dataset", "model", "ranking", "metric", "units", "protocol")
SETTINGS = ("device", "backend", "timing_batch", "timing_rounds", "threads")


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """What a run left: finished points, failed ones, timings. It shows itself as a table, also in a notebook.

    folder: the results folder. found: the records, for `prunebench.reports`. models: what the networks are of, by name.
    plugin: files or modules that define further models.
    """

    folder: Path
    found: Found
    models: Mapping[str, Model] = field(default_factory=dict)
    plugin: tuple[str, ...] = ()

    @classmethod
    @in_python_words()
    def read(cls, folder: str | Path, plugin: str | Sequence[str] = ()) -> Self:
        """Read everything in a results folder, of all its runs. Raises `UserError` where there is nothing."""
        place, plugins = absolute(check_folder(folder, "folder")), read_plugins(plugin, "plugin")
        return cls(place, read_results(place), plugin=plugins)

    @classmethod
    def of_run(cls, grid: Grid, records: Sequence[Record], models: Mapping[str, Model], command: str) -> Self:
        """Take the points of one run alone; the folder may hold more."""
        found = gather_run(grid, records, command=command)
        return cls(grid.spec.results, found, models, grid.spec.plugin)

    @property
    def records(self) -> tuple[Record, ...]:
        """The finished points."""
        return self.found.records

    @property
    def failures(self) -> tuple[Record, ...]:
        """The points that failed; their `reason` says why."""
        return self.found.failures

    def frame(self) -> "pd.DataFrame":
        """Tabulate every finished point: one row per seed, criterion and keep. Accuracies are fractions."""
        from prunebench.reports.tables.records import records_table

        return records_table(self.found)

    def summary(self) -> "pd.DataFrame":
        """Tabulate means over seeds with half of their 95 % t intervals: one row per criterion and keep."""
        from prunebench.reports.tables.speed import main_setting, speed_table
        from prunebench.reports.tables.summary import summary_table

        return summary_table(self.frame(), speed_table(self.found), main_setting(self.found))

    def differences(self) -> "pd.DataFrame":
        """Tabulate the differences to `magnitude` and the controls, paired by seed, with tests and verdicts."""
        from prunebench.reports.analysis.differences import differences_table

        return differences_table(self.found)

    @in_python_words(output="folder")
    def report(
        self, folder: str | Path = "report", margin: float = 0.5, parquet: bool = False, lang: str = "en"
    ) -> Path:
        """Write the report into a folder, as `prunebench report` does. Returns the path of its page.

        margin: the loss of accuracy that counts as none, in points. parquet: write the tables as Parquet, too. lang:
        language of the page, `en` or `fa`.
        """
        from prunebench.reports.output.writing import refuse_results_folder, write_report

        check_flags(parquet=parquet)
        if not 0 < check_number(margin, "margin", 0.5) < 100:
            raise UserError(f"margin={margin:g}: not between 0 and 100; give points of accuracy such as 0.5")
        place = absolute(check_folder(folder, "folder"))
        refuse_results_folder(self.folder, place)
        write_report(self.found, place, margin / 100, parquet, lang=lang)
        return place / "index.html"

    @in_python_words()
    def time(self, model: Any = None, **setting: Any) -> Self:
        """Time every network on this machine, in turn with its dense network. Returns these results with the timings.

        `summary()` then has the speed-ups, and `report()` its section on speed. The timings stay in the results folder.
        Networks of equal widths are timed once. Keep the machine idle meanwhile.

        Args:
            model: the network or function that the run was given, where the folder was read again.
            setting: `device`, `backend`, `timing_batch`, `timing_rounds` and `threads`, as of a run.

        Raises:
            UserError: a setting cannot be used here, or no network can be timed.
        """
        for name in setting:
            if name not in SETTINGS:
                raise unknown("argument", name, SETTINGS, where="time")
        check_options(setting)
        spec = make_spec(setting, default_preset="")
        with settings_kept():
            torch.set_num_threads(spec.threads)
            device, rounds = find_device(spec.device), spec.timing_rounds
            watch = Stopwatch(Store(self.folder), device, spec.backend, spec.timing_batch, rounds)
            find = self._model if model is None else self._given(model)
            latencies = time_records(self.records, watch, find)
        before = chain.from_iterable(self.found.latencies.values())
        return replace(self, found=replace(self.found, latencies=group_latencies((*before, *latencies))))

    def plot(self) -> "alt.TopLevelMixin":
        """Draw accuracy against the keep, with intervals. Raises `UserError` where no point is finished."""
        from prunebench.reports.figures.accuracy import accuracy_drawing
        from prunebench.reports.figures.drawing import altair_figure

        drawing = accuracy_drawing(self.summary())
        if drawing is None:
            raise UserError("there is nothing to draw: no point is finished")
        return altair_figure(drawing)

    @in_python_words(plugin="plugins")
    def network(self, criterion: Any = None, keep: Any = None, **chosen: Any) -> nn.Module:
        """Load one pruned and fine-tuned network, in eval mode on the CPU. Its facts are `network.pruned`.

        Args:
            criterion: its name, or the function or `Criterion` that the run was given, where the results have several.
            keep: the requested fraction, such as ``0.5`` or ``{"macs": 0.5}``, where there are several.
            chosen: `seed`, by default the first one that finished. `dataset`, `ranking` and `metric`, where there are
                several. `units`, as `filters` or `blocks`. `protocol`, as ``"repair=bias"`` or its number in a report,
                where a folder holds several. `model`: its name, or the network or function that the run was given, to
                rebuild it.

        Raises:
            UserError: no finished point fits, or several do; the network was not saved, or is of an unknown model.
        """
        model = chosen.pop("model", None)
        wanted = {"criterion": self._criterion(criterion), **_keep(keep), **_seed(chosen)}
        record = self._only(wanted | {"model": model if isinstance(model, str) else None})
        network = self._load(record, None if isinstance(model, str) else model)
        assert record.dense is not None and record.pruned is not None
        facts = Pruned(
            record.cell.criterion,
            record.dense,
            record.pruned,
            record.widths,
            weights=record.weights or {},
            accuracy=record.accuracy,
            blocks=record.blocks,
        )
        return with_facts(network, facts)

    def _criterion(self, given: Any) -> str | None:
        """Name a criterion as the run did."""
        if given is None or isinstance(given, str):
            return given
        names = Own(load_registry(self.plugin)).criteria(given, "criterion")
        if len(names) != 1:
            raise UserError(f"criterion: {len(names) or 'none'} given; a network has one")
        return names[0]

    def _only(self, wanted: Mapping[str, Any]) -> Record:
        """Find the record of the first seed that fits."""
        given = {name: value for name, value in wanted.items() if value is not None}
        if odd := sorted(set(given) - set(CHOICES)):
            raise UserError(f"network: unknown argument '{odd[0]}'; choose by {', '.join(CHOICES)}")
        told = [(self._told(one), one) for one in self.records]
        protocol = str(given.pop("protocol", ""))
        fitting = [(own, one) for own, one in told if all(own[name] == value for name, value in given.items())]
        if protocol:
            fitting = [pair for pair in fitting if fits_protocol(pair[1], self.found.tasks[pair[1].key], protocol)]
            given["protocol"] = protocol
        asked = ", ".join(f"{name}={value!r}" for name, value in given.items()) or "any value"
        if not fitting:
            there = _words([own for own, _ in told], CHOICES)
            raise UserError(f"no finished point has {asked}; {_nearest(given, told)} {there}")
        several = [own for own, _ in fitting]
        if open_names := [n for n in CHOICES if n != "seed" and len({own[n] for own in several}) > 1]:
            which = " and ".join(open_names)
            raise UserError(f"several networks have {asked}; choose {which}: {_words(several, open_names)}")
        return min((one for _, one in fitting), key=lambda one: one.cell.seed)

    def _told(self, record: Record) -> dict[str, Any]:
        """Give what a record's network is chosen by."""
        named, cell = as_named(record, self.found), record.cell.model_dump()
        return {**cell, "units": named.units, "protocol": named.protocol}

    def _load(self, record: Record, model: Any) -> nn.Module:
        folder = self.folder / "stages" / record.network
        find = self._model if model is None else self._given(model)
        return rebuild(folder, find(record.cell.model, folder)).model.eval()

    def _model(self, label: str, folder: Path) -> Model:
        """Find the model of a saved network: of this run's objects, else registered."""
        own = self.models.get(label)
        if own is not None:
            return own.without_weights()
        try:
            return allowed_model(label, folder, self.plugin)
        except UserError as error:
            if label.partition(":")[0] in load_registry(self.plugin).models:
                raise
            cure = "give the network or function that the run was given, as model=network"
            raise UserError(f"'{label}' is not a registered model: {cure}") from error

    def _given(self, model: Any) -> FindModel:
        def find(label: str, folder: Path) -> Model:
            own = Own(load_registry(self.plugin))
            own.models({label: model}, "model")
            found: Model = own.plugins[0]
            return found

        return find

    def __str__(self) -> str:
        from prunebench.reports.output.overview import overview

        return python_words(overview(self.found, hint=False))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from prunebench.reports.output.overview import overview_html

        return python_words(overview_html(self.found))


def gather_run(
    grid: Grid, records: Sequence[Record], latencies: Sequence[Latency] | None = None, command: str = ""
) -> Found:
    """Gather the points of one run alone. latencies: by default those in the folder; command: as in `about`."""
    spec, keys = grid.spec, {record.key for record in records}
    if latencies is None:
        latencies = [one for one in read_latencies(spec.results) if one.key in keys]
    told = about(spec, command)
    found = gather_results(str(spec.results), records, latencies, preset=spec.preset or None, command=told["command"])
    found = replace(found, lines=told["criteria"], kept=not is_temporary(spec.results))
    asked, day = (requested(grid),), newest_day(spec.results)
    return replace(found, asked=asked, tunings=read_tunings(spec.results), date=day)


def _keep(given: Any) -> dict[str, Any]:
    """Read a keep, with its metric where it names one."""
    if given is None or (isinstance(given, Real) and not isinstance(given, bool)):
        return {"keep": given}
    keep = read_keep(given, "keep")
    return {"keep": keep.fraction, "metric": keep.metric}


def _seed(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return dict(chosen) | ({} if chosen.get("seed") is None else {"seed": read_seed(chosen["seed"])})


def _nearest(given: Mapping[str, Any], told: Sequence[tuple[Mapping[str, Any], Record]]) -> str:
    """Suggest what was meant by the first text that names nothing, and begin the list of what there is."""
    for name, value in given.items():
        known = {str(own[name]) for own, _ in told}
        if isinstance(value, str) and (near := get_close_matches(value, known, n=1)) and value not in known:
            return f"did you mean {name}={near[0]!r}? There are"
    return "there are"


def _words(told: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """List the values that there are, for messages."""
    found = {name: dict.fromkeys(str(own[name]) for own in told) for name in names}
    found.get("protocol", {}).pop("", None)  # of a task that has one
    return "; ".join(f"{name} {', '.join(values)}" for name, values in found.items() if values) or "none"
