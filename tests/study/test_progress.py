import io
import logging
from typing import Any

import pytest
from rich.console import Console

from prunebench.study.progress import Progress


def test_a_log_gets_a_plain_line_for_each_trajectory(computed: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "prunebench")
    done = computed.records["magnitude", 0.5]
    failed = done.model_copy(update={"status": "failed", "reason": "it diverged", "accuracy": None})
    stream = io.StringIO()
    with Progress(Console(file=stream, force_terminal=False)) as progress:
        progress.begin(2)
        progress.step("dense epoch 1/2")
        progress.finished("one", [done, done])
        progress.finished("two", [failed])
    first, second = caplog.records
    percent = f"macs=0.5 {100 * done.accuracy.finetuned:.2f} %"
    assert first.getMessage() == f"[1/2] one | {percent} {percent} | 0 s"
    assert second.getMessage() == "[2/2] two | macs=0.5 FAILED: it diverged | 0 s"
    assert [record.levelname for record in (first, second)] == ["INFO", "WARNING"]
    assert stream.getvalue().strip() == ""


def test_a_terminal_gets_a_bar() -> None:
    stream = io.StringIO()
    with Progress(Console(file=stream, force_terminal=True, width=100)) as progress:
        progress.begin(3)
        progress.step("rung 2 epoch 1/1")
        progress.finished("one", [])
    assert "rung 2 epoch 1/1" in stream.getvalue()
    assert "1/3" in stream.getvalue()
