"""The command `choose`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from prunebench.choosing.asked import check_alone, read_bound
from prunebench.cli.options import ConfigOption, options, values, with_run_options
from prunebench.errors import UserError
from prunebench.study.spec import Spec

Prepare = Callable[[dict[str, Any], Path | None, str], Spec]
_NOT_TAKEN = {
    "models": "MODEL stands first, without an option",
    "datasets": "DATA stands second, without an option",
    "tasks": "give MODEL and DATA, without an option",
    "seeds": "the race and the confirmation have seeds of their own",
    "shard": "a race needs all of its blocks",
}


def choose_command(prepare: Prepare) -> Callable[..., None]:
    """Make the command. prepare: joins options and configuration into a spec."""

    @with_run_options
    def choose(
        model: Annotated[str, typer.Argument(help="model, such as resnet20 or mynet.py:make")],
        data: Annotated[str, typer.Argument(help="dataset, such as fashion_mnist or folder:PATH")],
        *,
        at_least: Annotated[
            str | None,
            typer.Option(
                "--at-least", metavar="SHARE", help="accuracy to stay above, such as 0.92, in place of --keep"
            ),
        ] = None,
        budget: Annotated[str | None, typer.Option("--budget", help="time to spend, such as 2h or 1h30m")] = None,
        output: Annotated[Path, typer.Option("--output", "-o", help="folder of page and network")] = Path("choice"),
        lang: Annotated[str, typer.Option("--lang", help="language of the page: en or fa (Persian)")] = "en",
        dry_run: Annotated[bool, typer.Option("--dry-run", help="print the plan, compute nothing")] = False,
        config: ConfigOption = None,
        log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error")] = "info",
        **given: Any,
    ) -> None:
        """Choose a criterion for a model and a dataset: race on validation pictures, confirm on test pictures."""
        chosen = values(given)
        for option in options():
            if option.name in _NOT_TAKEN and chosen[option.name] is not None:
                raise UserError(f"{option.flag}: {_NOT_TAKEN[option.name]}; leave {option.flag} out")
        if at_least is not None:
            check_alone(at_least, chosen["keep"], budget)
            read_bound(at_least)
        spec = prepare(chosen | {"models": [model], "datasets": [data]}, config, log_level)
        from prunebench.choosing.choose import describe, make_choice
        from prunebench.choosing.smallest import choose_smallest
        from prunebench.choosing.smallest_plan import describe_search
        from prunebench.reports.language.languages import find_language

        if at_least is not None:
            if dry_run:
                find_language(lang)
                typer.echo(describe_search(spec))
                return
            found = choose_smallest(spec, read_bound(at_least), output, lang)
            typer.echo(found.text)
            if found.results is not None:
                typer.echo(f"Page: {output / 'index.html'}")
            if found.keep is None:
                raise typer.Exit(1)
            return
        if dry_run:
            find_language(lang)
            typer.echo(describe(spec, budget))
            return
        answer = make_choice(spec, output, budget, lang)
        typer.echo(answer.text)
        typer.echo(f"Page: {output / 'index.html'}")

    return choose
