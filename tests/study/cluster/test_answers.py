"""What the run does with the answer of a worker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from prunebench.errors import UserError
from prunebench.study.cluster.fleet import Fleet
from prunebench.study.cluster.host import Answer
from prunebench.study.cluster.parcel import Parcel, news
from prunebench.study.grid import make_grid
from prunebench.study.run import RECORDS
from prunebench.study.store import Store

Make = Callable[..., Any]


def test_a_point_that_was_not_compared_with_plain_training_is_taken(
    tiny: Make, computing: Callable[..., Any], tmp_path: Path
) -> None:
    away = computing(tiny(tmp_path / "away", criteria="magnitude", keep="0.5"))
    record = away.records["magnitude", 0.5].model_copy(update={"not_compared": "out of memory"})
    Store(away.spec.results).put(record)
    home = tiny(tmp_path / "home", criteria="magnitude", keep="0.5", engine="ray")
    [(job, results)] = taken(home, record, news(away.spec.results, {}))
    assert results == [record] and job.criterion == "magnitude"
    assert RECORDS.found(home, job) == []  # another run compares it again

    other = tiny(tmp_path / "other", criteria="magnitude", keep="0.7", engine="ray")
    with pytest.raises(UserError, match="has computed another point, as its data or its code differ"):
        taken(other, record, news(away.spec.results, {}))


def test_work_whose_workers_are_lost_again_and_again_ends_the_run(tiny: Make, tmp_path: Path) -> None:
    fleet = Fleet[Any](MagicMock(), make_grid(tiny(tmp_path, criteria="magnitude", keep="0.5", engine="ray")), RECORDS)
    with pytest.raises(UserError, match=r"magnitude .* its worker was lost 6 times; leave this criterion out"):
        for number in range(6):
            assert len(fleet.failed) == (number >= 3)
            fleet.seats[0].course = fleet.units.take()
            fleet._lost(fleet.seats[0], RuntimeError("gone"))
    assert number == 5


def test_an_error_of_a_worker_is_told_in_a_line(tiny: Make, tmp_path: Path) -> None:
    class RayTaskError(Exception):
        """As Ray gives the traceback of a worker."""

    ray = MagicMock()
    ray.exceptions.RayTaskError = RayTaskError
    ray.get.side_effect = RayTaskError("Traceback (most recent call last):\n  in hello\nValueError: no such method")
    fleet = Fleet[Any](ray, make_grid(tiny(tmp_path, criteria="magnitude", keep="0.5", engine="ray")), RECORDS)
    with pytest.raises(UserError, match=r"^--engine ray: a worker failed: ValueError: no such method; if the machines"):
        next(fleet._heard(fleet.seats[0], fleet.seats[0].call))


def taken(spec: Any, record: Any, parcel: Parcel) -> list[Any]:
    fleet = Fleet[Any](MagicMock(), make_grid(spec), RECORDS)
    course = fleet.units.take()
    assert course is not None
    return [*fleet._came_home(fleet.seats[0], course, Answer([record], parcel, [], {}))]
