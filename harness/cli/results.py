"""Commands on finished results: show, export, time."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from prunebench.cli.options import named_points, with_options_of_points
from prunebench.errors import UserError, check_choice
from prunebench.records.names import Backend
from prunebench.records.store_files import read_json
from prunebench.reports.named import Named

if TYPE_CHECKING:
    from prunebench.records.record import Record

results_app = typer.Typer()

PluginOption = Annotated[list[str] | None, typer.Option(help="Python file or module with more models")]


@results_app.command()
@with_options_of_points
def show(
    source: Annotated[Path, typer.Argument(help="results folder, benchmark JSON, or JSON file of a record")],
    points: Annotated[bool, typer.Option("--points", help="list the points, with the options that name each")] = False,
    **given: Any,
) -> None:
    """Print the tables of a run; of one point, that its options name, costs and layers."""
    from prunebench.reports.output.overview import overview
    from prunebench.reports.output.show import layer_table
    from prunebench.reports.reading import read_results
    from prunebench.reports.selecting import point_lines, select

    asked = named_points(given)
    if _is_record(source):
        if asked:
            raise UserError(f"{source}: one record; leave {asked} out, or give a results folder")
        typer.echo(layer_table(_read(source)))
        return
    results = read_results(source)
    if not (asked or points):
        typer.echo(overview(results))
        return
    found = select(results, asked, failed=True)
    one = len(found) == 1 and not points
    typer.echo(layer_table(found[0]) if one else "\n".join(point_lines(found, results)))


@results_app.command()
@with_options_of_points
def export(
    source: Annotated[Path, typer.Argument(help="results folder, JSON file of a record, or folder of stages/")],
    to: Annotated[Path, typer.Option("--to", help="folder to write")],
    *,
    onnx: Annotated[bool, typer.Option("--onnx", help="write network.onnx, too; needs the extra onnx")] = False,
    plugin: PluginOption = None,
    **given: Any,
) -> None:
    """Write a network as a folder that needs no PruneBench: weights, plain Python, facts; ONNX on request.

    The options name the point in a results folder. Of several seeds the first is taken: the best one would be chosen on
    test pictures. `--model` also allows the code of a model of your own, such as `mynet.py:make,width=16`.
    """
    from prunebench.exporting.saved import export_saved

    named = named_points(given)
    stage, record = _network(source, named)
    allowed = [named.model] if named.model else []
    paths = export_saved(stage, to, record, onnx=onnx, plugins=tuple(plugin or ()), models=allowed)
    if record is not None:
        typer.echo(f"{record.cell.task} | {record.cell.criterion} | seed {record.cell.seed} | {record.summary()}")
    typer.echo("\n".join(map(str, paths)))


@results_app.command("time")
def time_(
    source: Annotated[Path, typer.Argument(help="results folder")],
    *,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    backend: Annotated[str, typer.Option(help="eager, channels_last, compile, onnx or openvino")] = "eager",
    batch: Annotated[int, typer.Option("--timing-batch", min=1, help="pictures in a timed batch")] = 64,
    rounds: Annotated[int, typer.Option("--timing-rounds", min=4, help="timed rounds of each network")] = 20,
    threads: Annotated[int, typer.Option(min=1, help="threads of the timed networks")] = 1,
    model: Annotated[list[str] | None, typer.Option(help="model of your own whose code is allowed")] = None,
    plugin: PluginOption = None,
) -> None:
    """Time the networks of a results folder on this machine, each in turn with its dense network.

    Networks of equal widths are timed once. The latencies are kept in the folder, where `report` finds them.
    """
    import torch

    from prunebench.reports.output.speed import speed_text
    from prunebench.reports.reading import read_results
    from prunebench.study.grid import find_device
    from prunebench.study.networks import allowed_model
    from prunebench.study.store import Store
    from prunebench.timing.stored import time_records
    from prunebench.timing.timer import Stopwatch

    if source.is_file():
        raise UserError(f"{source}: a file; give the results folder, whose networks are to be timed")
    check_choice("--backend", "backend", backend, get_args(Backend))
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = read_results(source)
    torch.set_num_threads(threads)
    watch = Stopwatch(Store(source), find_device(device), cast(Backend, backend), batch, rounds)
    find = partial(allowed_model, plugins=tuple(plugin or ()), models=model or [])
    latencies = time_records(results.records, watch, find)
    typer.echo(speed_text(replace(results, latencies={one.key: (one,) for one in latencies})))


def _network(source: Path, named: Named) -> "tuple[Path, Record | None]":
    """Find the folder of a network, and the record of its point where there is one."""
    from prunebench.reports.reading import read_results
    from prunebench.reports.selecting import select_one
    from prunebench.study.networks import NOT_SAVED

    if (source / "widths.json").is_file():
        return source, _record_of(source)
    if _is_record(source):
        record = _read(source)
        home = next((folder for folder in source.absolute().parents if (folder / "store.json").is_file()), None)
        if home is None:
            raise UserError(f"{source}: lies in no results folder, so its network cannot be found")
    elif source.is_file():
        raise UserError(f"{source}: holds no networks; give the results folder")
    else:
        record, home = select_one(read_results(source), named), source
    if not record.network:
        raise UserError(f"{source}: this point has no network; it {record.status}: {record.reason}")
    stage = home / "stages" / record.network
    if not stage.is_dir():
        raise UserError(f"{home}: {record.cell.criterion}: {NOT_SAVED}")
    return stage, record


def _record_of(stage: Path) -> "Record | None":
    """Find the record that names a network in the results folder around it."""
    from prunebench.reports.reading import read_results

    home = stage.absolute().parents[1]
    if not (home / "records").is_dir():
        return None
    return next((record for record in read_results(home).records if record.network == stage.name), None)


def _is_record(path: Path) -> bool:
    return path.is_file() and "benchmarks" not in read_json(path)


def _read(path: Path) -> "Record":
    from prunebench.records.record import read_record

    return read_record(path)
