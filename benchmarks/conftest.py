"""`pytest benchmarks/`: trains all networks of the selected tests first, then times them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prunebench.cli.options import options, values
from prunebench.errors import UserError
from prunebench.fidelity.compare import NO_GATES
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import Registry, load_registry
from prunebench.study.spec import make_spec
from prunebench.timing.bench import Bench, TimedNetwork

BENCH = pytest.StashKey[Bench]()
CHILD = """
import atexit, json, time
from pathlib import Path
from prunebench.cli.main import main
facts = lambda: dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak = lambda: int(facts()["VmHWM"].split()[0]) / 1024  # getrusage would give that of the parent where it is larger
atexit.register(lambda: print(json.dumps({"cpu_seconds": time.process_time(), "mebibytes": peak()})))
main()
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run; `--config` names a TOML file with any of them."""
    group = parser.getgroup("prunebench", "PruneBench: what to compare")
    for option in options():
        if option.kind == "flag":
            group.addoption(option.flag, dest=option.name, action="store_true", default=None, help=option.help)
            group.addoption(option.off, dest=option.name, action="store_false", default=None, help=f"not {option.flag}")
        else:
            group.addoption(option.flag, dest=option.name, action="append", default=None, help=option.help)
    group.addoption("--config", dest="prunebench_config", default=None, help="TOML file with any of these options")


def pytest_configure(config: pytest.Config) -> None:
    """Make the grid; checks every name before anything is computed."""
    if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError("pytest-xdist would time several networks at once; use --workers for training")
    try:
        spec = make_spec(values(vars(config.option)), config.getoption("prunebench_config"), default_preset="quick")
        config.stash[BENCH] = Bench(spec)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per dense network and point, and one per score and block."""
    session = metafunc.config.stash[BENCH]
    if "cell" in metafunc.fixturenames:
        metafunc.parametrize("cell", list(session.entries))
    if "scored" in metafunc.fixturenames:
        without = pytest.mark.skip(reason=NO_GATES)
        metafunc.parametrize(
            "scored", [*session.scores, *(pytest.param(name, marks=without) for name in session.gated)]
        )
    if "priced" in metafunc.fixturenames:
        metafunc.parametrize("priced", metafunc.module.cases(*_named_criteria(metafunc.config)))
    if "grown" in metafunc.fixturenames:
        named, known = _named_criteria(metafunc.config)
        metafunc.parametrize("grown", named or [*sorted(known.criteria), *metafunc.module.KINDS])


def _named_criteria(config: pytest.Config) -> tuple[list[str], Registry]:
    """Return the criteria that the user named and that have a score, and all known criteria."""
    spec = config.stash[BENCH].spec
    known = load_registry(spec.plugin)
    named = spec.criteria if config.getoption("criteria") or config.getoption("prunebench_config") else ()
    return [name for name in named if parse_method(name, known).score is not None], known


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[Any]:
    """Train everything that the selected tests need, before the first test is timed."""
    grid = session.config.stash[BENCH]
    parameters = [item.callspec.params for item in session.items if hasattr(item, "callspec")]
    wanted = [grid.entries[params["cell"]] for params in parameters if "cell" in params]
    scored = [grid.scores[params["scored"]] for params in parameters if params.get("scored") in grid.scores]
    if (wanted or scored) and not session.config.option.collectonly:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        try:
            with capture.global_and_fixture_disabled():
                if scored:
                    grid.compare(tuple(scored))
                if wanted:
                    grid.train([network for network in wanted if network.record_wanted])
                grid.tidy()
                if wanted:
                    grid.look_at_machine(wanted[0])
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
    return (yield)


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add a description of the file, and the failed cells, which have no time."""
    output_json["prunebench"] = config.stash[BENCH].summary()


@pytest.fixture(name="entry")
def _entry(cell: str, bench: Bench) -> TimedNetwork:
    """Return the timed network of a test."""
    return bench.entries[cell]


@pytest.fixture(name="bench")
def _bench(pytestconfig: pytest.Config) -> Bench:
    """Return the session's trained grid."""
    return pytestconfig.stash[BENCH]


@pytest.fixture(name="watched")
def _watched() -> Callable[..., dict[str, float]]:
    """Return a call that runs a command line in a process of its own, on Linux: its CPU seconds and its memory."""

    def watched(*arguments: str) -> dict[str, float]:
        command = [sys.executable, "-P", "-c", CHILD, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    return watched
