"""The commands that repeat a report: those of each source, in order, then the report's own."""

import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise

from prunebench.records.files import commands_of
from prunebench.records.names import model_label
from prunebench.reports.analysis.margins import MARGIN
from prunebench.reports.document import PROMPT
from prunebench.reports.language.languages import ENGLISH
from prunebench.reports.language.message import SEMICOLON, Message, joined, say
from prunebench.reports.results import Results

Step = tuple[str, tuple[str, ...]]  # what the commands give, and the commands
Setting = Mapping[str, str | int]
LIBRARIES = ("torchvision", "timm")  # registered families whose networks are named behind a colon
USUAL: Setting = {"backend": "eager", "timing_batch": 64, "threads": 1, "timing_rounds": 20}  # of `prunebench time`
CALL = "prunebench.run("  # how a run of a Python program stands in its folder


def repeating(results: Results, margin: float = MARGIN, lang: str = ENGLISH) -> tuple[Step, ...]:
    """Give the commands that make each source, and those that time and report them. margin: a fraction.

    A folder that will be gone has no command of its own: it stands in none.
    """
    parts = results.parts or (results,)
    steps = {_name(part): found for part in parts if (found := _commands(part))}
    if not all(part.kept for part in parts):
        return tuple(steps.items())
    options = [*([] if margin == MARGIN else ["--margin", f"{100 * margin:g}"]), *_language(lang)]
    report = "prunebench report " + shlex.join([*(part.source for part in parts), *options])
    return (*steps.items(), (say("this report"), (report,)))


def making(results: Results) -> tuple[Step, ...]:
    """Give the commands of a source as those that make its report, too: nothing else writes what stands in front."""
    commands = tuple(commands_of(results.command))
    return ((say("this report"), commands),) if commands else ()


def _language(lang: str) -> list[str]:
    return [] if lang == ENGLISH else ["--lang", lang]


def _name(part: Results) -> Message:
    """Say which results the commands of a source give."""
    tasks = dict.fromkeys([*part.tasks.values(), *part.fidelity_tasks.values()])
    if not part.kept:
        return say("results: {tasks}", tasks=joined(tasks, SEMICOLON))
    return say("results in {source}: {tasks}", source=part.source, tasks=joined(tasks, SEMICOLON))


def _commands(part: Results) -> tuple[str, ...]:
    """List the commands of a source. A benchmark JSON was timed by the command that wrote it."""
    called = [f"{PROMPT}results = {one}" if one.startswith(CALL) else one for one in commands_of(part.command)]
    if is_called(part):  # networks of such a run may be objects, which no shell has
        timed = [f"{PROMPT}results.time({_arguments(one)})" for one in _settings(part)]
    elif part.source.endswith(".json") or not part.kept:
        timed = []
    else:
        timed = [_time_command(part, one) for one in _settings(part)]
    return tuple(dict.fromkeys((*called, *timed)))


def is_called(part: Results) -> bool:
    """Tell whether a Python program made a run of the source."""
    return any(one.startswith(CALL) for one in commands_of(part.command))


def gave_networks(part: Results) -> bool:
    """Tell whether a Python program gave networks as objects, which no folder holds."""
    return any("(models)" in one.partition("# your own objects: ")[2] for one in commands_of(part.command))


def _settings(part: Results) -> Iterator[Setting]:
    """Give each setting that the source's networks were timed in, as far as it is not the usual one."""
    rounds: dict[tuple[str, int, int], int] = {}
    for one in (latency for latencies in part.latencies.values() for latency in latencies):
        key = one.backend, one.batch, one.threads
        rounds[key] = max(len(one.ratios), rounds.get(key, 0))
    for key, most in sorted(rounds.items()):
        found: Setting = dict(zip(USUAL, (*key, most), strict=True))
        yield {name: value for name, value in found.items() if value != USUAL[name]}


def _arguments(setting: Setting) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in setting.items())


def _time_command(part: Results, setting: Setting) -> str:
    """Write the command of one setting. Models of one's own are named: their code is allowed by its name alone."""
    own = dict.fromkeys(name for record in part.records if (name := _own_model(record.cell.model)))
    flags = [f"--{name.replace('_', '-')} {value}" for name, value in setting.items()]
    flags += [f"--model {shlex.quote(as_given(name, part))}" for name in own]
    flags += [f"--plugin {shlex.quote(word)}" for word in dict.fromkeys(_given(part, "--plugin"))]
    return " ".join(["prunebench time", shlex.quote(part.source), *flags])


def as_given(label: str, part: Results) -> str:
    """Name a model as the commands of its source did: by its file, where they gave one."""
    function, comma, options = label.partition(",")
    words = (word for text in _given(part, "--models") for word in text.replace(",", " ").split())
    return {model_label(word): word for word in words}.get(function, function) + comma + options


def _given(part: Results, option: str) -> Iterator[str]:
    """Give every value that the commands of a source give to an option."""
    for command in commands_of(part.command):
        words = _words(command)
        yield from (value for word, value in pairwise(words) if word == option)
        yield from (word.partition("=")[2] for word in words if word.startswith(f"{option}="))


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # of a damaged file
        return command.split()


def _own_model(label: str) -> str:
    """Give the function of a model of one's own; empty for a model that is registered.

    >>> _own_model("mynet:make,width=8"), _own_model("lenet5:width=0.5"), _own_model("timm:resnet18")
    ('mynet:make', '', '')
    """
    function = label.split(",")[0]
    own = ":" in function and "=" not in function and function.partition(":")[0] not in LIBRARIES
    return function if own else ""
