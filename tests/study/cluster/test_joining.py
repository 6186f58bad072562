"""What `--engine ray` refuses, without a cluster."""

import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.study.cluster import joining
from prunebench.study.cluster.joining import joined, resources

Make = Callable[..., Any]


def test_without_ray_the_extra_is_named(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(joining, "import_module", absent)
    with pytest.raises(UserError, match=r"^--engine ray: .*; pip install 'prunebench\[ray\]'$"):
        joined(tiny(tmp_path, engine="ray")).__enter__()


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_an_address_without_a_cluster_is_refused(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(joining, "import_module", lambda _: SimpleNamespace(is_initialized=lambda: False))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = address.format(port=free.getsockname()[1])
        with pytest.raises(UserError, match=rf"^--address {place}: no Ray cluster \(.+\); start one"):
            joined(tiny(tmp_path, engine="ray", address=place)).__enter__()


@pytest.mark.parametrize(
    "address",
    ["nowhere", "nowhere:port", "ray://nowhere", ":6379", "10.0.0.1:", "10.0.0.1:99999", "10.0.0.1:\u0666\u0663"],
)
def test_an_address_without_a_port_is_named_as_such(tiny: Make, tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError, match=rf"^--address {address}: no HOST:PORT with a port up to 65535; give"):
        tiny(tmp_path, engine="ray", address=address)


def machines(*resources: dict[str, float]) -> Any:
    return SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": one} for one in resources])


def test_workers_need_room(tiny: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quarter = tiny(tmp_path, engine="ray", device="auto", gpus_per_worker=0.25, workers=5)
    assert quarter.device == "cuda"
    assert resources(quarter) == {"num_cpus": 1, "num_gpus": 0.25}
    joining._check_room(machines({"CPU": 8, "GPU": 1}, {"CPU": 1, "GPU": 1}), quarter)
    assert not caplog.records
    joining._check_room(machines({"CPU": 8, "GPU": 1}), quarter)
    assert "room for 4" in caplog.text
    with pytest.raises(UserError, match=r"a worker needs 1 CPU and 0\.25 GPU, which none of the 2 machines"):
        joining._check_room(machines({"CPU": 8}, {"GPU": 2}), quarter)
