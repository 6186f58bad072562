"""Merges results folders of several machines: copies missing files, names contradictions. Torch-free."""

import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.records.agreement import differences
from prunebench.records.fidelity import Fidelity, read_fidelity
from prunebench.records.files import DataFile, RunFile, StoreFile, TimingFile, read_file
from prunebench.records.latency import Latency
from prunebench.records.lineage import Lineage
from prunebench.records.record import SCHEMA, Record, read_record
from prunebench.records.store_files import DAMAGED, read_json

KINDS = ("stages", "records", "fidelity", "choices", "timing", "data")  # records come after the stages they name
NAMED = 5  # number of files that a line of the summary names; further files are counted
UNLIKE_STAGES = "stages with different networks (the first is kept)"
UNLIKE_DATA = "data of one fingerprint with different labels (the first is kept)"
UNLIKE_CHOICES = "sweeps or tunings with different choices (the newest is kept)"


class Merged(NamedTuple):
    """Outcome of a merge. text: for the user. complete: whether every finished point came in, uncontradicted."""

    text: str
    complete: bool


def merge(stores: Sequence[Path], output: Path) -> Merged:
    """Copy what the output lacks from the stores.

    An existing output is extended. Every file and stage appears as a whole, so a killed merge can be repeated.
    Where results contradict each other, those of the first folder are kept; the outcome names the others.
    """
    plan = MergePlan(_checked_folders(stores, output), output)
    try:
        plan.write()
    except OSError as error:
        raise UserError(f"{output}: the merge stopped: {error}; fix the cause and run the same command again") from None
    return Merged(plan.summary(), not plan.contradictions and not plan.left_out)


class MergePlan:
    """Decides which folder's copy of every file and stage goes into the output.

    folders: all that take part, the output first where it exists. copies: source folder of each path. united: content
    and time of each file that unites several files. copied: number of copies by folder and kind. held: number of items
    in the finished output by kind. contradictions: finished points whose files differ by more than rounding. left_out:
    finished points that no folder's networks lead to. unlike: other paths whose files differ, by the meaning of the
    difference. keys: keys of finished points by task and request. protocols: numbers of finished points by the version
    of the protocol.
    """

    def __init__(self, folders: Sequence[Path], output: Path) -> None:
        self.folders, self.output = folders, output
        self.copies: dict[Path, Path] = {}
        self.united: dict[Path, tuple[dict[str, Any], int]] = {}
        self.copied: Counter[tuple[Path, str]] = Counter()
        self.held: Counter[str] = Counter()
        self.contradictions: list[str] = []
        self.left_out: list[str] = []
        self.protocols: Counter[int] = Counter()
        self.unlike: defaultdict[str, list[str]] = defaultdict(list)
        self.keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.lineage = Lineage({path.name: some for path, some in _find_holders(folders, "stages").items()})
        for key, some in self.lineage.unlike().items():
            self.unlike[UNLIKE_STAGES].append(_joined(Path("stages", key), some))
        self._plan_copies("stages", lambda path, _: self.lineage.chosen[path.name])
        self._plan_copies("records", partial(self._choose_point, read_record))
        self._plan_copies("fidelity", partial(self._choose_point, read_fidelity))
        self._plan_copies("choices", self._choose_newest)
        for path, holders in _find_holders(folders, "timing").items():
            self._unite_timings(path, holders)
        self._plan_copies("data", self._choose_data)
        self._unite_runs()

    def _plan_copies(self, kind: str, choose: Callable[[Path, list[Path]], Path | None]) -> None:
        for path, holders in _find_holders(self.folders, kind).items():
            source = choose(path, holders)
            if source is None:
                continue
            self.held[kind] += 1
            if source != self.output:
                self.copies[path] = source
                self.copied[source, kind] += 1

    def _choose_point(self, read: Callable[[Path], Record | Fidelity], path: Path, holders: list[Path]) -> Path | None:
        """Choose the newest finished point, else the newest failed one. Reports order a point's keys by time.

        Of points that contradict each other the first is chosen. Points count only if their networks do.
        """
        points = {folder: read(folder / path) for folder in holders}
        usable = [folder for folder in holders if self.lineage.follows(folder, points[folder].network)]
        finished = [folder for folder in usable if points[folder].status == "ok"]
        if not finished and any(point.status == "ok" for point in points.values()):
            self.left_out.append(_joined(path, [f for f in holders if points[f].status == "ok"]))
        if not usable:
            return None
        source = _newest(path, finished or usable)
        if finished:
            compared = [f for f in holders if points[f].status == "ok"]
            if len({_as_text(points[folder].facts()) for folder in compared}) > 1:
                source = finished[0]
                self._contradict(path, source, {folder: points[folder] for folder in compared})
            point = points[source]
            request = _as_text([point.cell.model_dump(), point.protocol, point.fingerprint])
            self.keys[point.cell.task, request].add(point.key)
            self.protocols[point.protocol_version] += 1
        return source

    def _contradict(self, path: Path, source: Path, points: dict[Path, Record | Fidelity]) -> None:
        """Note the points that differ from the chosen one by more than rounding: field and both values."""
        for folder, point in points.items():
            found = differences(points[source], point) if folder != source else []
            if found:
                field, kept, other = found[0]
                more = f" (and {len(found) - 1} more fields)" if len(found) > 1 else ""
                self.contradictions.append(
                    f"{path}: {field} is {kept} in {source}, {other} in {folder}{more}; kept that of {source}"
                )

    def _choose_newest(self, path: Path, holders: list[Path]) -> Path:
        """Choose the newest sweep or tuning. Sweeps and tunings with other seeds have the same key."""
        choices = [read_json(folder / path) for folder in holders]
        if len({_as_text(choice.get("value")) for choice in choices}) > 1:
            self.unlike[UNLIKE_CHOICES].append(_joined(path, holders))
        return _newest(path, holders)

    def _choose_data(self, path: Path, holders: list[Path]) -> Path:
        """Choose the first description of the test pictures with the most thumbnails."""
        files = {folder: read_file(DataFile, folder / path) for folder in holders}
        if len({(one.classes, one.labels.data) for one in files.values()}) > 1:
            self.unlike[UNLIKE_DATA].append(_joined(path, holders))
            return holders[0]
        return max(holders, key=lambda folder: len(files[folder].thumbnails))

    def _unite_timings(self, path: Path, holders: list[Path]) -> None:
        """Unite the timings of one machine and backend. Of several timings of a point, the newest file's counts."""
        times = {folder: _modified(folder / path) for folder in holders}
        timings = {folder: _by_setting(read_file(TimingFile, folder / path)) for folder in holders}
        ours = timings.get(self.output, {})
        united: dict[tuple[object, ...], tuple[Latency, Path]] = {}
        for folder in sorted(holders, key=times.__getitem__):
            united |= {setting: (latency, folder) for setting, latency in timings[folder].items()}
        new = [folder for setting, (latency, folder) in united.items() if ours.get(setting) != latency]
        self.held["timing"] += len(united)
        self.copied.update((folder, "timing") for folder in new)
        if new:
            entries = [latency.model_dump(mode="json") for latency, _ in united.values()]
            self.united[path] = {"schema_version": SCHEMA, "latencies": entries}, max(times.values())

    def _unite_runs(self) -> None:
        """Unite the requests of all runs. The preset is `quick` where any run's is, else the preset of all, or none."""
        path = Path("run.json")
        runs = {folder: read_file(RunFile, folder / path) for folder in self.folders if (folder / path).is_file()}
        commands = [text for run in runs.values() for text in run.commands]
        presets = {run.preset for run in runs.values()}
        asked = dict.fromkeys(one for run in runs.values() for one in run.asked)
        united = {
            "schema_version": SCHEMA,
            "preset": "quick" if "quick" in presets else presets.pop() if len(presets) == 1 else None,
            "command": " ; ".join(dict.fromkeys(commands)) or None,
            "asked": [one.model_dump(mode="json") for one in asked],
            "criteria": {name: line for run in runs.values() for name, line in run.criteria.items()},
        }
        if runs and runs.get(self.output) != RunFile.model_validate(united):
            self.united[path] = united, max(_modified(folder / path) for folder in runs)

    def write(self) -> None:
        """Copy and write what the output lacks. Stages come before the records that name them."""
        if self.output not in self.folders:
            _put(self.output / "store.json", partial(_write_json, {"schema_version": SCHEMA}))
        for path, folder in self.copies.items():
            source = folder / path
            _put(self.output / path, partial(shutil.copytree if source.is_dir() else shutil.copy2, source))
        for path, (data, time) in self.united.items():
            _put(self.output / path, partial(_write_json, data, time=time))

    def summary(self) -> str:
        """Summarise the copies by folder, and list what a user should look at."""
        rows = [[folder, *(self.copied[folder, k] for k in KINDS)] for folder in self.folders if folder != self.output]
        rows.append([f"{self.output} now", *(self.held[kind] for kind in KINDS)])
        lines = [tabulate(rows, ["copied from", *KINDS], "simple")]
        several = Counter(task for (task, _), keys in self.keys.items() if len(keys) > 1)
        why = "other code, packages or tuned strength; reports take the newest"
        lines += [f"points of {task} with several keys ({why}): {number}" for task, number in several.items()]
        if len(self.protocols) > 1:
            found = ", ".join(f"{number} of version {version}" for version, number in sorted(self.protocols.items()))
            lines.append(f"points of several versions of the protocol, which reports keep apart: {found}")
        lines += [f"contradiction: {text}" for text in self.contradictions]
        lines += [f"left out, as its network goes on from one that is not kept: {text}" for text in self.left_out]
        for what, files in self.unlike.items():
            more = f"; and {len(files) - NAMED} more" if len(files) > NAMED else ""
            lines.append(f"{what}: {'; '.join(files[:NAMED])}{more}")
        return "\n".join(lines)


def _checked_folders(stores: Sequence[Path], output: Path) -> tuple[Path, ...]:
    """Check the folders and return each once, the output first where it is a results folder."""
    exists = (output / "store.json").is_file()
    foreign = output.is_dir() and any(path.name != "store.json.part" for path in output.iterdir())
    if not exists and (foreign or output.is_file()):
        raise UserError(f"{output}: not a results folder (no store.json) and not empty; give another --output")
    folders: dict[Path, Path] = {}
    for folder in (*((output,) if exists else ()), *stores):
        if not (folder / "store.json").is_file():
            raise UserError(f"{folder}: not a results folder (no store.json); give folders that `prunebench run` wrote")
        read_file(StoreFile, folder / "store.json")
        folders.setdefault(folder.resolve(), folder)
    return tuple(folders.values())


def _find_holders(folders: Sequence[Path], kind: str) -> dict[Path, list[Path]]:
    """Return every path of a kind with the folders that have it."""
    holders: defaultdict[Path, list[Path]] = defaultdict(list)
    stages = kind == "stages"
    for folder in folders:
        for path in sorted(folder.glob("stages/*" if stages else f"{kind}/**/*.json")):
            if path.is_dir() == stages and path.suffix not in (".part", DAMAGED):
                holders[path.relative_to(folder)].append(folder)
    return holders


def _newest(path: Path, holders: Sequence[Path]) -> Path:
    return max(holders, key=lambda folder: _modified(folder / path))


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns


def _as_text(facts: Any) -> str:
    return json.dumps(facts, sort_keys=True)  # texts of nan are equal, numbers are not


def _joined(path: Path, folders: Sequence[Path]) -> str:
    return ", ".join(str(folder / path) for folder in folders)


def _by_setting(timing: TimingFile) -> dict[tuple[object, ...], Latency]:
    return {(x.key, x.machine, x.backend, x.batch, x.threads): x for x in timing.latencies}


def _put(path: Path, fill: Callable[[Path], object]) -> None:
    """Fill a temporary file or folder, then move it to a path. Replaces leftovers of a killed merge."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    if part.is_dir():
        shutil.rmtree(part)
    fill(part)
    if path.is_dir():
        shutil.rmtree(path)
    part.replace(path)


def _write_json(data: dict[str, Any], path: Path, time: int | None = None) -> None:
    path.write_text(json.dumps(data, separators=(",", ":")))
    if time is not None:
        os.utime(path, ns=(time, time))
