"""The script behind the soak of docs/explanation/reliability.md."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import load_script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("docs/soak.py")


def test_memory_and_files_that_grow_are_seen(script: ModuleType, tmp_path: Path) -> None:
    looks = [script.look()]
    held = [bytearray(b"1" * 2**27)]
    with (tmp_path / "file").open("w"):
        looks.append(script.look())
    assert looks[1].memory - looks[0].memory >= 0.9 * len(held[0])
    assert looks[1].files == looks[0].files + 1
    of = script.Look
    assert script.flat([of(50, 9), of(100, 8), of(104, 8)])
    assert not script.flat([of(50, 9), of(100, 8), of(106, 8)])
    assert not script.flat([of(50, 9), of(100, 8), of(100, 9)])


def test_every_trajectory_is_looked_at(script: ModuleType, tmp_path: Path) -> None:
    parts = script.soak(40, tmp_path)
    assert len(list((tmp_path / "records").rglob("*.json"))) == 40
    assert len(parts) == 10 and all(part.memory > 0 and part.files > 0 for part in parts)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_cells_leave_memory_and_files_flat(script: ModuleType, tmp_path: Path) -> None:
    assert script.flat(script.soak(1000, tmp_path))
