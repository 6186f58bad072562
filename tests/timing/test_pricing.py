"""Prices and growth under a clock that only the measured calls move."""

from collections.abc import Callable

import pytest
from torch import nn

from prunebench.plugins.registry import load_registry
from prunebench.pruning.network import Network
from prunebench.records.prices import Price
from prunebench.scoring.layers import Batches
from prunebench.timing import pricing


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(pricing.time, "process_time", lambda: self.now)
        monkeypatch.setattr(pricing, "_plain", lambda model, batches: self.spend(2.0 * len(batches)))

    def spend(self, seconds: float) -> None:
        self.now += seconds


def test_the_smallest_of_three_is_divided_by_the_smallest_plain_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, left = Clock(monkeypatch), [7.0, 5.0, 9.0, 100.0]
    monkeypatch.setattr(pricing, "_peak", lambda call: (call(), 2048)[1])
    batches = pricing.noise(2, 3, 8)
    found = Price(model="toy", **pricing.price(lambda: clock.spend(left.pop(0)), nn.Identity(), batches))
    assert (found.pictures, found.seconds, found.plain_seconds, found.ratio) == (128, 5.0, 4.0, 1.25)
    assert (found.peak_bytes, found.plain_peak_bytes) == (2048, 2048)
    assert left == []


def test_growth_compares_four_times_the_pictures_and_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def call_on(network: Network, batches: Batches) -> Callable[[], None]:
        units = sum(group.units for group in network.table.groups)
        return lambda: clock.spend(len(batches) ** 2 * units**3)

    found = pricing.growth(call_on, load_registry(()))
    assert found == {"pictures": 16.0, "plain_pictures": 4.0, "units": 64.0, "plain_units": 1.0}


def test_where_a_peak_cannot_be_read_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise OSError

    monkeypatch.setattr(pricing.ctypes, "CDLL", refuse)
    assert (
        pricing.price(lambda: None, nn.Linear(192, 10), [(x.flatten(1), y) for x, y in pricing.noise(1, 3, 8)])[
            "peak_bytes"
        ]
        is None
    )
