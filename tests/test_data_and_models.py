"""What docs/data-and-models.md shows must work as it stands there."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / "docs/data-and-models.md").read_text()
MODEL, DATASET = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
TINY = ("--seeds", "0", "--keep", "0.5", "--device", "cpu", "--calibration", "64", "--criteria", "magnitude")
SCHEDULE = ("--epochs", "1", "--sparse-epochs", "0", "--rung-epochs", "0", "--finetune-epochs", "1", "--batch", "32")


def test_the_plugins_of_the_page_run_together(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("tiny.py", MODEL), ("bars.py", DATASET)):
        (tmp_path / name).write_text(text)
    plugins = ("--plugin", tmp_path / "tiny.py", "--plugin", tmp_path / "bars.py")
    task = ("--models", "tiny:width=8", "--datasets", "bars:count=120")
    code, out, err = command("run", *task, *plugins, *TINY, *SCHEDULE, "--results", tmp_path / "r")
    assert (code, err) == (0, "")
    assert out.endswith(f"1 points in {tmp_path / 'r'}\n")
