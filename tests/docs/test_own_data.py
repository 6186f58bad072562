"""The plugins of docs/how-to/own-data.md and own-network.md must work as they stand there."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[2] / "docs/how-to"
NETWORK, _, RECORD = re.findall(r"```python\n(.*?)```", (GUIDES / "own-network.md").read_text(), re.DOTALL)
(DATASET,) = re.findall(r"```python\n(import torch\n.*?)```", (GUIDES / "own-data.md").read_text(), re.DOTALL)
TINY = ("--seeds", "0", "--keep", "0.5", "--device", "cpu", "--calibration", "64", "--criteria", "magnitude")
SCHEDULE = ("--epochs", "1", "--sparse-epochs", "0", "--rung-epochs", "0", "--finetune-epochs", "1", "--batch", "32")


@pytest.mark.parametrize("models", ["make:width=8", "mynet.py:make,width=8"])
def test_the_plugins_of_the_pages_run_together(
    models: str, command: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("mynet.py", NETWORK + RECORD), ("bars.py", DATASET)):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    plugins = ("--plugin", tmp_path / "mynet.py", "--plugin", tmp_path / "bars.py")
    task = ("--models", models, "--datasets", "bars:count=120")
    code, out, err = command("run", *task, *plugins, *TINY, *SCHEDULE, "--results", tmp_path / "r")
    assert (code, err) == (0, "")
    assert out.endswith(f"1 point in {tmp_path / 'r'}\n")
