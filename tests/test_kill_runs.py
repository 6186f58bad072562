"""The script behind the kills of docs/explanation/reliability.md, with few kills."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import load_script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have loaded torch")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("docs/kill_runs.py")


@pytest.mark.parametrize("workers", [1, 2])
def test_ten_kills_lose_nothing_and_leave_nothing(script: ModuleType, tmp_path: Path, workers: int) -> None:
    found = script.kill_runs(10, tmp_path, workers)
    assert found.kills == 10 and found.resumed >= 1


def test_a_loss_is_seen(script: ModuleType, tmp_path: Path) -> None:
    whole, spec = (script.make_spec(script.OPTIONS | {"results": tmp_path / name}) for name in ("whole", "other"))
    wanted = {"a stage": "a digest"}
    with pytest.raises(AssertionError, match=r"other than without kills: .*'a stage'"):
        script._check(script._started(whole), whole, wanted)
    (tmp_path / "other" / "stages").mkdir(parents=True)
    (tmp_path / "other" / "stages" / "x.damaged").mkdir()
    with pytest.raises(AssertionError, match="left by kills"):
        script._check(script._started(spec), spec, script.contents(whole.results))
