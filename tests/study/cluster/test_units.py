"""Work that needs one stage is never handed out twice at a time."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.study.cluster.units import Units
from prunebench.study.grid import make_grid
from prunebench.study.run import RECORDS
from prunebench.study.store import Store

Make = Callable[..., Any]


@pytest.mark.parametrize("seed", range(3))
def test_no_stage_is_computed_twice_and_all_work_is_done(tiny: Make, tmp_path: Path, seed: int) -> None:
    order = random.Random(seed)
    criteria = ("magnitude", "l1", "shuffle:magnitude", "scratch:l1")
    spec = tiny(tmp_path, criteria=criteria, seeds="0-1", keep="0.7,0.5,0.3")
    grid, computed = make_grid(spec), []
    units, at_work, finished = Units(grid, RECORDS), [], []
    while units.left:
        while len(at_work) < 3 and (course := units.take()):
            at_work.append((course, units.missing(course)))
        keys = [key for _, missing in at_work for key in missing]
        assert len(keys) == len(set(keys))
        course, missing = at_work.pop(order.randrange(len(at_work)))
        if order.random() < 0.2:  # its worker is lost
            units.give_back(course)
            continue
        computed += missing
        for key in missing:
            (Store(tmp_path).stage(key)).mkdir(parents=True)
            (Store(tmp_path).stage(key) / "weights.safetensors").touch()
        finished += units.done(course, [course.spec.keep.fractions[0]])  # type: ignore[list-item]
    assert len(computed) == len(set(computed))
    assert {job for job, _ in finished} == set(grid.jobs)
    assert {tuple(results) for _, results in finished} == {(0.7, 0.5, 0.3)}
