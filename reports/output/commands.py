"""The commands that repeat a report: those of each source, in order, then the report's own."""

import shlex
from collections.abc import Iterator

from prunebench.records.files import commands_of
from prunebench.reports.analysis.margins import MARGIN
from prunebench.reports.language.languages import ENGLISH
from prunebench.reports.language.message import SEMICOLON, Message, joined, say
from prunebench.reports.results import Results

Step = tuple[str, tuple[str, ...]]  # what the commands give, and the commands
BACKEND, BATCH, THREADS = "eager", 64, 1  # what `prunebench time` does unless told otherwise


def repeating(results: Results, margin: float = MARGIN, lang: str = ENGLISH) -> tuple[Step, ...]:
    """Give the commands that make each source, and those that time and report them. margin: a fraction.

    A folder that will be gone has no commands of its own.
    """
    parts = results.parts or (results,)
    steps = {_name(part): _commands(part) for part in parts}
    found = tuple((name, commands) for name, commands in steps.items() if commands)
    if not results.kept:
        return found
    options = [*([] if margin == MARGIN else ["--margin", f"{100 * margin:g}"]), *_language(lang)]
    report = "prunebench report " + shlex.join([*(part.source for part in parts), *options])
    return (*found, (say("this report"), (report,)))


def _language(lang: str) -> list[str]:
    return [] if lang == ENGLISH else ["--lang", lang]


def _name(part: Results) -> Message:
    """Say which results the commands of a source give."""
    tasks = dict.fromkeys([*part.tasks.values(), *part.fidelity_tasks.values()])
    return say("results in {source}: {tasks}", source=part.source, tasks=joined(tasks, SEMICOLON))


def _commands(part: Results) -> tuple[str, ...]:
    """List the commands of a source. A benchmark JSON was timed by the command that wrote it."""
    timed = _timings(part) if part.kept and not part.source.endswith(".json") else ()
    return tuple(dict.fromkeys((*commands_of(part.command), *timed)))


def _timings(part: Results) -> Iterator[str]:
    """Write the command of each setting that the source's networks were timed in."""
    found = {(x.backend, x.batch, x.threads) for latencies in part.latencies.values() for x in latencies}
    for backend, batch, threads in sorted(found):
        given = {"--backend": (backend, BACKEND), "--timing-batch": (batch, BATCH), "--threads": (threads, THREADS)}
        options = [word for flag, (own, usual) in given.items() if own != usual for word in (flag, str(own))]
        yield shlex.join(["prunebench", "time", part.source, *options])
