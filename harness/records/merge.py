"""Joins results folders, such as those of the machines of a batch queue, into one. Torch-free."""

import errno
import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.records.files import read_json
from prunebench.records.merge_parts import Point
from prunebench.records.merge_plan import Plan, plan_merge
from prunebench.records.record import SCHEMA

NAMED = 10  # lines of a list that is printed; the rest is counted


def merge(stores: Sequence[Path], output: Path) -> str:
    """Join stores into a folder, which takes part where it is a store itself, and give a summary.

    Everything is a copy that keeps its time; each file appears as a whole, so a killed merge can be repeated. Raises
    `UserError`, before anything is written, where the stores cannot be joined.
    """
    plan = plan_merge(stores, output)
    try:
        _write(plan)
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else f"{error.filename}: {error.strerror}"
        raise UserError(f"{output}: the merge is not finished: {why}; give the same command again to go on") from None
    return _summary(plan)


def _write(plan: Plan) -> None:
    """Write what the merged store lacks: stages before the records that name them, what it is of at the end."""
    if plan.output not in plan.stores:
        _put_json(plan.output / "store.json", {"schema_version": SCHEMA})
    (plan.output / "stages").mkdir(exist_ok=True)
    for path, store in plan.stages.items():
        _take(store, plan.output, path, shutil.copytree)
    for path, store in (*plan.rates.items(), *((point.path, point.store) for point in plan.points)):
        _take(store, plan.output, path, shutil.copy2)
    for path, timings in plan.timings.items():
        if any(store != plan.output for store in timings.stores):
            _put_json(plan.output / path, {"schema_version": SCHEMA, "latencies": timings.entries}, timings.time)
    run = plan.output / "run.json"
    if not run.exists() or read_json(run) != plan.run:
        _put_json(run, plan.run)


def _take(store: Path, output: Path, path: Path, copy: Callable[[Path, Path], object]) -> None:
    if store != output:
        _put(output / path, lambda part: copy(store / path, part))


def _put_json(path: Path, data: Any, time: int | None = None) -> None:
    def fill(part: Path) -> None:
        part.write_text(json.dumps(data, separators=(",", ":")))
        if time is not None:
            os.utime(part, ns=(time, time))

    _put(path, fill)


def _put(path: Path, fill: Callable[[Path], object]) -> None:
    """Fill a file or folder aside, then move it into place; what a killed merge left aside is taken away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    _remove(part)
    try:
        fill(part)
        if path.is_dir():
            shutil.rmtree(path)
        part.replace(path)
    except BaseException:
        _remove(part)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _summary(plan: Plan) -> str:
    records = Counter(point.store for point in plan.points)
    stages, rates = Counter(plan.stages.values()), Counter(plan.rates.values())
    timed = Counter(store for timings in plan.timings.values() for store in timings.stores)
    parts = (records, stages, timed, rates)
    rows = [[str(store), *(part[store] for part in parts)] for store in plan.stores]
    rows.append([f"{plan.output} now", *(part.total() for part in parts)])
    lines = [tabulate(rows, ["taken from", "records", "stages", "timings", "choices and fidelity"], "simple")]
    if plan.same:
        lines.append(f"{plan.same} copies of the same results were left out")
    twice = list(_several_keys(plan.points))
    if twice:
        what = "points are there under several keys (another version of code or packages); reports take the newest"
        lines += [f"{len(twice)} {what}:", *_first(twice)]
    if plan.unlike:
        what = "files of one key differ between the stores; the first of a stage and the newest of a rate were taken"
        lines += [f"{len(plan.unlike)} {what}:", *_first(plan.unlike)]
    return "\n".join(lines)


def _several_keys(points: Sequence[Point]) -> Iterator[str]:
    """Name the points that are finished under several keys, the newest file first, as a report orders them."""
    groups: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        if point.finished:
            groups[point.what].append(point)
    for group in groups.values():
        if len({point.key for point in group}) > 1:
            group.sort(key=lambda point: (point.time, str(point.path)), reverse=True)
            yield f"{group[0].label}: {', '.join(str(point.store / point.path) for point in group)}"


def _first(lines: Sequence[str]) -> list[str]:
    rest = [f"  and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
    return [*(f"  {line}" for line in lines[:NAMED]), *rest]
