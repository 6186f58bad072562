"""The entry point of the command line: every error becomes one line and an exit code."""

import atexit
import gc
import logging
import signal
import sys
from pathlib import Path
from typing import Any

import typer

from prunebench.cli.app import app
from prunebench.cli.streams import let_readers_go
from prunebench.errors import UserError, printable
from prunebench.words import typed

# some versions of typer contain click, others import it
_CLICK_ERROR: type[Any] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
_INTERRUPTED = 130  # exit code of typer on Ctrl-C
# docs/reference/reports.md names what a report needs
_NOT_FOR_REPORTS = ("torch", "torchvision", "torch_pruning", "safetensors", "filelock", "sklearn")


def main() -> None:
    """Run the command line. A `UserError` prints one line and exits with code 2."""
    let_readers_go()
    try:
        Path.cwd()
    except OSError:  # torch itself cannot be loaded there
        sys.exit(_error("the current folder no longer exists; change to another one"))
    atexit.register(gc.freeze)  # else Python looks for garbage among all of torch's objects before it ends
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        code = _error(typed(error))
    except OSError as error:  # a path or disk that the system refuses
        code = _error(f"{error.filename or 'a file'}: {error.strerror or error}")
    except ModuleNotFoundError as error:
        if error.name not in _NOT_FOR_REPORTS:
            raise
        code = _error(f"this command needs {error.name}, which is not installed; pip install prunebench")
    except SystemExit as error:  # of foreign code; typer returns its own
        from prunebench.plugins.discovery import failure

        code = _error(f"the code of a plugin or network ended the command: {failure(error)}")
    except _CLICK_ERROR as error:
        code = _error(_one_line(error)) if str(error.format_message()) else 2  # typer has shown the help
    if code == _INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would show tracebacks of the exit
        logging.disable()  # torch logs what it counted
        text = "prunebench: interrupted; finished points are kept; run the same command again to continue"
        typer.echo(text, err=True)
    sys.exit(code)


def _error(text: str) -> int:
    typer.echo(f"prunebench: error: {printable(text)}", err=True)
    return 2


def _one_line(error: Any) -> str:
    """Format an error of click in one line that points to the help."""
    text = str(error.format_message()).rstrip(".")
    if text.startswith("Got unexpected extra argument"):
        text += ": put a list of names in quotes, or repeat the option before each name"
    context = getattr(error, "ctx", None)
    see = " See" if text.endswith("?") else "; see"
    return f"{text}{see} {context.command_path} --help" if context else text
