"""The command line: run, sweep, tune, list, new, check, models, data; merge, report, power, compare, env.

The commands choose, show, export and time are in `prunebench.cli.choose` and `prunebench.cli.results`.
"""

import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.logging import RichHandler

from prunebench.cli.choose import choose_command
from prunebench.cli.options import ConfigOption, fraction, values, with_run_options
from prunebench.cli.results import results_app
from prunebench.errors import UserError, unknown
from prunebench.processes import start_server, time_limit, uncollected
from prunebench.study.spec import Spec, make_spec

if TYPE_CHECKING:
    from prunebench.reports.document import Document

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

data = typer.Typer(no_args_is_help=True, help="Check folders of pictures.")
app.add_typer(data, name="data")
app.add_typer(results_app)

SourceArgument = Annotated[Path, typer.Argument(help="benchmark JSON or results folder")]
MarginOption = Annotated[float, typer.Option("--margin", help="loss of accuracy, in points, that counts as none")]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="print Markdown, for a page")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="list cells and costs, compute nothing")]
LogLevelOption = Annotated[str, typer.Option("--log-level", help="debug, info, warning or error")]
_MARGIN = 0.5  # points
_IMPORT = 10  # seconds that the import of plugins may take under any --cell-timeout

_LEVELS = ("debug", "info", "warning", "error")


def _version(asked: bool) -> None:
    if asked:
        from prunebench import __version__

        typer.echo(f"prunebench {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Compare pruning criteria on CNNs."""


def _log(log_level: str) -> None:
    if log_level not in _LEVELS:
        raise unknown("log level", log_level, _LEVELS, where="--log-level")
    handler: logging.Handler = logging.StreamHandler()
    if sys.stderr.isatty():
        from rich.console import Console

        handler = RichHandler(console=Console(stderr=True), show_path=False, show_level=False, markup=False)
    logging.basicConfig(level=log_level.upper(), handlers=[handler], format="%(message)s")


def _prepare(options: dict[str, Any], config: Path | None, log_level: str, early: bool = False) -> Spec:
    """Set up the log, join the options with the configuration, and make this process ready for them.

    early: whether worker processes may start beside the long imports, where points are missing.
    """
    _log(log_level)
    spec = make_spec(options, config, default_preset="quick")
    if early and not spec.serial and spec.engine != "ray" and _has_work(spec):
        start_server()
    with uncollected():
        from prunebench.plugins.registry import load_registry
        from prunebench.study.grid import warn_of_race_seeds
        from prunebench.study.run import configure

    load_registry(())
    with time_limit(spec.cell_timeout and max(spec.cell_timeout, _IMPORT)):  # also a plugin's import may take for ever
        load_registry(spec.plugin)
    configure(spec)
    warn_of_race_seeds(spec)
    return spec


def _has_work(spec: Spec) -> bool:
    """Tell whether the folder has fewer points than the run: a finished grid starts no process."""
    from prunebench.records.requested import parse_seeds

    tasks, criteria = dict.fromkeys(spec.pairs), dict.fromkeys(spec.criteria)
    points = len(tasks) * len(criteria) * len(parse_seeds(spec.seeds)) * len(spec.keep.fractions)
    share = int(spec.shard.rpartition("/")[2] or 1) if spec.shard.replace("/", "").isdecimal() else 1
    return sum(1 for _ in (spec.results / "records").rglob("*.json")) < points // max(share, 1)


def _preview(options: dict[str, Any], config: Path | None, log_level: str) -> str:
    spec = _prepare(options, config, log_level)
    from prunebench.preview.dry_run import preview
    from prunebench.study.grid import make_grid

    return str(preview(make_grid(spec)))


@app.command()
@with_run_options
def run(
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    log_level: LogLevelOption = "info",
    **given: Any,
) -> None:
    """Train, prune and measure a grid; finished points are reused."""
    if dry_run:
        with uncollected():
            typer.echo(_preview(values(given), config, log_level))
        return
    spec = _prepare(values(given), config, log_level, early=True)
    from prunebench.calls.run import compute
    from prunebench.study.run import has_foreign_code

    found = compute(spec, apart=has_foreign_code(spec), careful=True)
    if found.records:
        from prunebench.reports.output.overview import overview

        others = sum(1 for _ in (spec.results / "records").rglob("*.json")) - len(found.records) - len(found.failures)
        typer.echo(overview(found.found, hint=not others) + "\n")
        if others:  # of other runs, from which the options of a hint would not tell a point
            folder = shlex.quote(str(spec.results))
            typer.echo(f"points of all runs in this folder: prunebench show {folder} --points\n")
    count, failed = len(found.records), len(found.failures)
    typer.echo(f"{count} point{'s' * (count != 1)} in {spec.results}" + (f", {failed} failed" if failed else ""))
    if failed:
        raise typer.Exit(1)


app.command("choose")(choose_command(_prepare))


@app.command()
@with_run_options
def sweep(
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    log_level: LogLevelOption = "info",
    **given: Any,
) -> None:
    """Choose the fine-tuning rate of each task on validation pictures, for `--finetune-rate swept`."""
    from prunebench.study.progress import Progress
    from prunebench.tuning.finetune_rate import preview, sweep as sweep_rates, table

    options = values(given)
    for name in ("criteria", "finetune_rate"):
        if options[name] is not None:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag}: a sweep prunes by random, at rates of its own; leave {flag} out")
    spec = _prepare(options, config, log_level)
    if dry_run:
        typer.echo(preview(spec))
        return
    with Progress() as progress:
        found = sweep_rates(spec, progress)
    typer.echo(table(found))
    typer.echo("to use these rates, run with the same options and --finetune-rate swept")


@app.command()
@with_run_options
def tune(
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    log_level: LogLevelOption = "info",
    **given: Any,
) -> None:
    """Choose the strength of each regulariser on validation pictures, for `strength=tuned`."""
    from prunebench.study.progress import Progress
    from prunebench.tuning.strength import preview, table, tune as tune_strengths

    spec = _prepare(values(given), config, log_level)
    if dry_run:
        typer.echo(preview(spec))
        return
    with Progress() as progress:
        found = tune_strengths(spec, progress)
    typer.echo(table(found))
    names = " ".join(dict.fromkeys(one.criterion for one in found))
    typer.echo(f'to use these strengths, run with the same options and --criteria "{names}"')


@app.command()
def merge(
    stores: Annotated[list[Path], typer.Argument(help="results folders, for example of several machines")],
    output: Annotated[Path, typer.Option("--output", "-o", help="results folder to create or to extend")],
) -> None:
    """Merge results folders into one; exit with code 1 where results contradict each other or are left out."""
    from prunebench.records.merge import merge as merge_stores

    merged = merge_stores(stores, output)
    typer.echo(merged.text)
    if not merged.complete:
        raise typer.Exit(1)


@app.command()
def report(
    sources: Annotated[list[Path], typer.Argument(help="benchmark JSONs or results folders", metavar="SOURCE...")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder to write")] = Path("report"),
    margin: MarginOption = _MARGIN,
    parquet: Annotated[bool, typer.Option("--parquet", help="write the tables as Parquet, too; needs pyarrow")] = False,
    lang: Annotated[str, typer.Option(help="language of the page: en or fa (Persian)")] = "en",
) -> None:
    """Write the report: Markdown, LaTeX, CSV, figures and an HTML page."""
    from prunebench.processes import uncollected
    from prunebench.reports.combining import read_all
    from prunebench.reports.output.writing import refuse_results_folder, write_report

    for source in sources:
        refuse_results_folder(source, output)
    with uncollected():  # over both: the records are gone before it runs again
        paths = write_report(read_all(sources), output, fraction(margin, "--margin"), parquet, lang=lang)
    typer.echo(f"{len(paths)} files in {output}\nPage: {output / 'index.html'}")


def _written(document: "Document", in_markdown: bool) -> str:
    from prunebench.reports.output.plain import plain
    from prunebench.reports.output.rendering import markdown

    return markdown(document) if in_markdown else plain(document)


@app.command("power")
def seeds_needed(
    source: SourceArgument,
    difference: Annotated[float, typer.Option(help="difference to detect, in points of accuracy")] = _MARGIN,
    power: Annotated[float, typer.Option(help="probability of detecting the difference")] = 0.8,
    markdown: MarkdownOption = False,
) -> None:
    """Estimate how many seeds would detect a difference, from the spread in a run."""
    from prunebench.reports.output.power import power_document
    from prunebench.reports.reading import read_results

    if not 0 < power < 1:
        raise UserError(f"--power {power:g}: not between 0 and 1; give a probability such as 0.8")
    found = power_document(read_results(source), fraction(difference, "--difference"), power)
    typer.echo(_written(found, markdown))


@app.command()
def compare(
    before: SourceArgument,
    after: SourceArgument,
    margin: MarginOption = _MARGIN,
    markdown: MarkdownOption = False,
) -> None:
    """Show what changed between two runs; exit with code 1 on a regression."""
    from prunebench.reports.output.compare import compare_runs
    from prunebench.reports.reading import read_results

    document, bad = compare_runs(read_results(before), read_results(after), fraction(margin, "--margin"))
    typer.echo(_written(document, markdown))
    if bad:
        raise typer.Exit(1)


@app.command("list")
def list_(
    kind: Annotated[str, typer.Argument(help="criteria, datasets, models or presets; everything by default")] = "",
    plugin: Annotated[list[str] | None, typer.Option(help="Python file or module with more of them")] = None,
) -> None:
    """List criteria, datasets, models and presets with their options and sources."""
    with uncollected():
        from prunebench.cli.listing import listing

        typer.echo(listing(kind, tuple(plugin or ())))


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="criteria or plugin files")] = None,
    all_: Annotated[bool, typer.Option("--all", help="check every known criterion")] = False,
    plugin: Annotated[list[str] | None, typer.Option(help="Python file or module with more criteria")] = None,
) -> None:
    """Run the contract suite on criteria, with options or as A+B; exit with code 1 if a check fails."""
    from prunebench.cli.check import check_criteria

    text, passed = check_criteria(tuple(names or ()), all_, tuple(plugin or ()))
    typer.echo(text)
    if not passed:
        raise typer.Exit(1)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="what to write; only: criterion")],
    name: Annotated[str, typer.Argument(help="name of the criterion and of its Python function")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder to write NAME.py into")] = Path(),
    evidence: Annotated[
        str, typer.Option(help="evidence that the score uses: weight, grad, curvature or activation")
    ] = "weight",
) -> None:
    """Write the file of a new criterion, which passes `check` before you change anything."""
    from prunebench.cli.new import new_criterion

    if kind != "criterion":
        raise unknown("kind", kind, ("criterion",))
    typer.echo(new_criterion(name, output, evidence))


@app.command()
def models(
    names: Annotated[list[str] | None, typer.Argument(help="models, such as resnet20 torchvision:resnet50")] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="check all models of PruneBench and torchvision")] = False,
    size: Annotated[int, typer.Option(help="picture side in pixels; 0: the first of 32, 64, 96, 224 that fits")] = 0,
    channels: Annotated[int, typer.Option(help="channels of a picture")] = 3,
    classes: Annotated[int, typer.Option(help="number of classes")] = 10,
    plugin: Annotated[list[str] | None, typer.Option(help="Python file or module with more models")] = None,
    markdown: MarkdownOption = False,
) -> None:
    """Check whether models can be pruned exactly; list what is pruned, and why models are refused."""
    from prunebench.cli.listing import check_models

    text, passed = check_models(
        tuple(names or ()),
        everything=all_,
        plugins=tuple(plugin or ()),
        sizes=(size,) if size else (),
        channels=channels,
        classes=classes,
        kind="github" if markdown else "simple",
    )
    typer.echo(text)
    if not passed:
        raise typer.Exit(1)


@data.command("check")
def check_data(
    folder: Annotated[str, typer.Argument(help="folder of pictures, or folder:PATH as in --datasets")],
    all_: Annotated[bool, typer.Option("--all", help="name all pictures with a fault")] = False,
) -> None:
    """Show pictures, sizes and modes per class, and duplicates within and across splits.

    The exit code is 1 if a picture cannot be read, or if two splits share a file.
    """
    from prunebench.cli.data import check_folder

    text, passed = check_folder(folder, all_)
    typer.echo(text)
    if not passed:
        raise typer.Exit(1)


@app.command()
def env() -> None:
    """Print versions and hardware for a bug report."""
    from prunebench.cli.env import bug_report

    typer.echo(bug_report())
