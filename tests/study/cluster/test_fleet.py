"""A real Ray cluster of two machines: a worker is killed, a machine lost; the records are those of one process."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prunebench.study.cluster import fleet
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run

Make = Callable[..., Any]
PLUGIN = """
import os
from prunebench import Criterion

def exits(weight):
    os._exit(3)

EXITS = Criterion(exits)
"""
ROOM = {"num_cpus": 1, "object_store_memory": 100 << 20}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two machines with a CPU each, as far as Ray can tell."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'prunebench[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    try:
        made = Cluster(initialize_head=True, head_node_args={**ROOM, "include_dashboard": False})
        made.second = made.add_node(**ROOM)
    except Exception as error:  # Ray gives a machine half a minute to start, whatever else runs
        if "timed out" not in str(error):
            raise
        pytest.skip(f"Ray did not start two machines here: {error}")
    yield made
    made.shutdown()


@pytest.mark.timeout(900)  # busy machines start processes slowly
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_records_are_those_of_one_process_though_workers_and_a_machine_are_lost(
    cluster: Any,
    tiny: Make,
    computing: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "deadly.py").write_text(PLUGIN)
    (tmp_path / "alone").mkdir()
    shared = {"keep": "0.7,0.5", "seeds": "0-1", "save": "final"}
    homes, lost = [], set()
    first, second = map(raylet, (cluster.head_node, cluster.second))

    class Watched(fleet.Fleet[Any]):
        """Kills the first worker on the first machine, and loses the second machine, while they are at work."""

        def _order(self, seat: Any, course: Any) -> None:
            super()._order(seat, course)
            machine = parent(seat.hello.process)
            if machine == second and "machine" not in lost:
                lost.add("machine")
                later(lambda: cluster.remove_node(cluster.second))
            if machine == first and "worker" not in lost:
                lost.add("worker")
                later(lambda: os.kill(seat.hello.process, signal.SIGKILL))

    def bring_home(*given: Any) -> None:
        homes.append(original(*given))

    original = fleet.bring_home
    monkeypatch.setattr(fleet, "bring_home", bring_home)
    monkeypatch.setattr(fleet, "Fleet", Watched)
    on_ray = {"engine": "ray", "address": cluster.address, "workers": 2, "plugin": str(tmp_path / "deadly.py")}
    criteria = ("magnitude", "shuffle:magnitude")
    spec = tiny(tmp_path / "ray", criteria=(*criteria, "exits"), **on_ray, **shared)
    with caplog.at_level(logging.WARNING, logger="prunebench"):
        found = run(make_grid(spec), Progress())
    assert lost == {"machine", "worker"}
    assert caplog.text.count("was lost; the work is taken again") == 2

    alone = run(make_grid(tiny(tmp_path / "alone", criteria=criteria, **shared)), Progress())
    assert [one.facts() for one in found if one.cell.criterion != "exits"] == [one.facts() for one in alone]
    failed = [one.reason for one in found if one.cell.criterion == "exits"]
    assert failed == ["rung 1: was ended with code 3 by its own code, as by os._exit (deadly.py:6)"] * 4
    assert networks(tmp_path / "ray") >= networks(tmp_path / "alone")
    assert len(homes) == len(found)  # nothing is computed twice


def later(action: Callable[[], object]) -> None:
    """Act when a worker has begun with its first work, which takes it some seconds to prepare."""
    threading.Timer(1, action).start()


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def networks(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.glob("stages/*/weights.safetensors")}
