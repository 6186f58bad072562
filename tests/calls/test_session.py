"""A call leaves nothing behind in its process."""

import logging

import pytest
import torch

from prunebench.calls.session import offering, settings_kept, temporary_folder, told
from prunebench.plugins.given import objects

LOG = logging.getLogger("prunebench")


def test_lines_are_shown_inside_alone(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a program without a log of its own
    level, handlers = LOG.level, list(LOG.handlers)
    with told(quiet=False):
        LOG.info("a line")
    with told(quiet=True):
        LOG.info("not shown")
    assert capfd.readouterr().err == "a line\n"
    assert (LOG.level, LOG.handlers) == (level, handlers)


def test_objects_are_offered_inside_alone() -> None:
    with offering([1, 2]) as tokens:
        assert objects(tokens) == (1, 2)
    assert objects(tokens) == ()


def test_threads_and_random_states_are_put_back() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with settings_kept():
        torch.set_num_threads(threads + 1)
        torch.rand(3)
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)


def test_all_calls_share_one_folder() -> None:
    assert temporary_folder() is temporary_folder() and temporary_folder().is_dir()
