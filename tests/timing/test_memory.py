"""Memory of a call, on a fake of torch's allocator. No GPU is asked."""

import pytest
import torch

from prunebench.timing.memory import added_bytes


def test_a_call_adds_its_peak_to_what_was_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"allocated": 1000, "peak": 9000}

    def call() -> None:
        state["peak"] = max(state["peak"], state["allocated"] + 250)

    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: state["allocated"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: state.update(peak=state["allocated"]))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: state["peak"])
    assert added_bytes(call, torch.device("cuda")) == 250
    assert added_bytes(lambda: pytest.fail("called"), torch.device("cpu")) is None
