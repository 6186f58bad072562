"""Joins a Ray cluster, or starts one on this machine. Nothing is reported to Ray's makers."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from prunebench.addresses import AUTO, CLIENT, LOCAL, place
from prunebench.errors import UserError
from prunebench.processes import cores
from prunebench.study.spec import Spec

log = logging.getLogger("prunebench")

_PATIENCE = 20  # seconds until a cluster must have answered; Ray itself tries for minutes


@contextmanager
def joined(spec: Spec) -> Iterator[Any]:
    """Join the cluster of `--address` inside. Yields the module of Ray. Leaves a cluster that the program had joined.

    Raises `UserError` where Ray is not installed, no cluster answers, or none of its machines has room for a worker.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = _ray()
    before = ray.is_initialized()
    if not before:
        _join(ray, spec)
    try:
        _check_room(ray, spec)
        yield ray
    finally:
        if not before:
            ray.shutdown()


def resources(spec: Spec) -> dict[str, float]:
    """Return what Ray reserves for one worker: a CPU for each thread, and a share of a GPU."""
    return {"num_cpus": spec.threads, "num_gpus": spec.gpus_per_worker}


def _ray() -> Any:
    try:
        return import_module("ray")
    except ModuleNotFoundError:
        raise UserError("--engine ray: Ray is not installed; pip install 'prunebench[ray]'") from None


def _join(ray: Any, spec: Spec) -> None:
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    if spec.address in LOCAL:
        number = max(cores(), spec.workers * spec.threads)
        try:
            ray.init(address="local", num_cpus=number, include_dashboard=False, **quiet)
        except Exception as error:  # Ray raises no kind of its own, such as on a machine that is too busy
            raise UserError(f"--engine ray: Ray did not start: {' '.join(str(error).split())[:200]}") from None
        return
    _check_answers(spec.address)
    try:
        ray.init(address=spec.address, **quiet)
    except Exception as error:
        raise _unreachable(spec.address, str(error)) from None


def _check_answers(address: str) -> None:
    """Raise `UserError` where nobody answers as a cluster does, instead of waiting for minutes."""
    if address != AUTO:
        try:
            socket.create_connection(place(address), timeout=_PATIENCE).close()
        except OSError as error:
            raise _unreachable(address, str(error)) from None
    if address.startswith(CLIENT):
        return  # Ray's client has a time limit of its own
    ask = [sys.executable, "-P", "-m", "ray.scripts.scripts", "health-check"]
    ask += [] if address == AUTO else ["--address", address]
    try:
        found = subprocess.run(ask, capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise _unreachable(address, f"no answer of a Ray cluster within {_PATIENCE} s") from None
    if found.returncode:
        raise _unreachable(address, (found.stderr or found.stdout).strip().rpartition("\n")[2])


def _unreachable(address: str, why: str) -> UserError:
    cure = "start one with `ray start --head` and give its HOST:PORT, or leave --address out for this machine alone"
    return UserError(f"--address {address}: no Ray cluster ({' '.join(why.split())[:200]}); {cure}")


def _check_room(ray: Any, spec: Spec) -> None:
    """Refuse workers that no machine of the cluster has room for; warn of fewer than were asked for."""
    need = {"CPU": spec.threads, "GPU": spec.gpus_per_worker}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    rooms = [min(int(one.get(kind, 0) / n + 1e-9) for kind, n in need.items() if n) for one in machines]
    gpus = f" and {spec.gpus_per_worker:g} GPU" if spec.gpus_per_worker else ""
    each = f"{spec.threads} CPU{'s' * (spec.threads > 1)}{gpus}"
    if not sum(rooms):
        what = f"a worker needs {each}, which none of the {len(machines)} machines of the cluster has"
        raise UserError(f"--engine ray: {what}; give a smaller --threads or --gpus-per-worker")
    machine = f"{len(machines)} machine{'s' * (len(machines) != 1)}"
    log.info("Ray: %s, %d workers with %s each", machine, spec.workers, each)
    if sum(rooms) < spec.workers:
        log.warning("--workers %d: the cluster has room for %d; more start when it grows", spec.workers, sum(rooms))
