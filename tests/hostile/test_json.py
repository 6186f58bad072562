"""Hostile JSON: every file of a results folder, and benchmark JSONs, are read or refused in one line."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prunebench.choosing.budget import Plan
from prunebench.fidelity.truth import Truth
from prunebench.records.agreement import differences
from prunebench.records.fidelity import read_fidelity
from prunebench.records.files import DataFile, RunFile, StoreFile, TimingFile, read_file
from prunebench.records.merge import merge
from prunebench.records.record import Record, read_record
from prunebench.records.stage import read_stage_facts
from prunebench.records.store_files import read_json
from prunebench.records.tuning import read_choice
from prunebench.records.validation import validated
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.output.all_tables import make_tables
from prunebench.reports.output.assembly import make_document
from prunebench.reports.output.latex import latex_tables
from prunebench.reports.output.overview import overview
from prunebench.reports.output.rendering import html_page, markdown
from prunebench.reports.output.show import layer_table
from prunebench.reports.reading import read_results
from prunebench.study.analyses import AnalysisFile
from prunebench.study.networks import read_origin
from prunebench.study.store import Store

Make = Callable[..., Any]
PLAN = {"criteria": ["l1", "obd"], "seeds": 3, "confirm": 6, "trajectories": 12, "seconds": 60.0}
TRUTH = {"parents": ["a"], "pictures": [3, 3], "seconds": 1.0}
TRUTH |= {"groups": {"conv1": {"units": [0, 2], "halves": [[0.1, 0.2], [0.3, 0.4]]}}}


@pytest.fixture(scope="module")
def whole(tiny: Make, computing: Make, add_others: Callable[[Path], None], tmp_path_factory: Any) -> Path:
    """A results folder with a file of every kind, and a benchmark JSON beside it."""
    results: Path = tmp_path_factory.mktemp("whole") / "results"
    computing(tiny(results, criteria="l1", keep="0.5", thumbnails=2, save="final"))
    add_others(results)
    return results


def find(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def benchmark(folder: Path) -> dict[str, Any]:
    """Write in outline what pytest-benchmark would."""
    parts = {"record": "records/**/*.json", "fidelity": "fidelity/**/*.json"}
    ours = {name: json.loads(find(folder, pattern).read_text()) for name, pattern in parts.items()}
    timing = json.loads(find(folder, "timing/*.json").read_text())["latencies"][0]
    run = json.loads((folder / "run.json").read_text()) | {"data": [json.loads(find(folder, "data/*").read_text())]}
    cost = {"criterion": "obd", "model": "lenet5", "needs": ["curvature"], "seconds": 1.0, "plain_seconds": 0.5}
    cost |= {"ratio": 2.0, "pictures": 64}
    machine = {"cpu": {"brand_raw": "x", "count": 2}, "system": "Linux", "python_version": "3.11"}
    entry = {"extra_info": {"prunebench": ours | {"latency": timing}, "scoring": cost}}
    entries = [entry, {"extra_info": {"prunebench": ours}}]
    return {"benchmarks": entries, "prunebench": run, "machine_info": machine, "datetime": "2026-01-31T00:00:00"}


def use_record(whole: Record, out: Path, path: Path) -> None:
    record = read_record(path)
    layer_table(record).encode()
    differences(whole, record)
    Store(out).put(record)
    assert record.summary() and read_record(Store(out).record_path(record)) == record


def use_benchmark(path: Path) -> None:
    overview(read_results(path)).encode()


def use_run(path: Path) -> None:
    for one in read_file(RunFile, path).asked:
        list(one.cells())


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "fidelity": ("fidelity/**/*.json", lambda path: read_fidelity(path).facts()),
    "facts": ("stages/*/facts.json", lambda path: read_stage_facts(path.parent)),
    "widths": ("stages/*/widths.json", lambda path: read_origin(path.parent)),
    "run": ("run.json", use_run),
    "store": ("store.json", lambda path: Store(path.parent, make=False)),
    "schema": ("store.json", partial(read_file, StoreFile)),
    "timing": ("timing/*.json", partial(read_file, TimingFile)),
    "analyses": ("analyses/*.json", lambda path: read_file(AnalysisFile, path).analysis()),
    "data": ("data/*.json", lambda path: read_file(DataFile, path).true),
    "choice": ("choices/*.json", lambda path: read_choice(path).at_an_end),
    "plan": ("", lambda path: validated(Plan, read_json(path), str(path))),
    "truth": ("", lambda path: validated(Truth, read_json(path), str(path))),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_file_is_read_or_refused(attack: Make, bearing: Make, whole: Path, kind: str, tmp_path: Path) -> None:
    pattern, read = READERS[kind]
    file = find(whole, pattern) if pattern else None
    data = json.loads(file.read_text()) if file else {"plan": PLAN, "truth": TRUTH}[kind]
    path = tmp_path / (file.name if file else "file.json")

    def body(drawn: Any) -> None:
        path.write_bytes(drawn.json(data))
        bearing(lambda: read(path))

    path.write_text(json.dumps(data))
    read(path)
    attack(body)


def test_a_record_is_read_shown_and_stored_inside_the_folder(
    attack: Make, bearing: Make, whole: Path, tmp_path: Path
) -> None:
    file = find(whole, "records/**/*.json")
    record, data = read_record(file), json.loads(file.read_text())
    path, out = tmp_path / "record.json", tmp_path / "deep" / "below" / "out"

    def body(drawn: Any) -> None:
        path.write_bytes(drawn.json(data))
        bearing(partial(use_record, record, out, path))
        assert {*outside(tmp_path, out)} <= {"deep", "deep/below", "record.json"}
        shutil.rmtree(out, ignore_errors=True)

    attack(body)


def outside(folder: Path, inside: Path) -> list[str]:
    """List what a folder holds beside another folder in it."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path != inside and inside not in path.parents
    )


def test_a_benchmark_is_read_or_refused(attack: Make, bearing: Make, whole: Path, tmp_path: Path) -> None:
    data, path = benchmark(whole), tmp_path / "out.json"
    path.write_text(json.dumps(data))
    use_benchmark(path)

    def body(drawn: Any) -> None:
        path.write_bytes(drawn.json(data))
        bearing(partial(use_benchmark, path))

    attack(body)


def test_a_folder_with_a_hostile_file_is_merged_inside_the_output(
    attack: Make, bearing: Make, whole: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "folder", tmp_path / "deep" / "below" / "out"
    shutil.copytree(whole, folder)
    files = sorted(path for path in folder.rglob("*.json"))
    before = outside(tmp_path, out)

    def body(drawn: Any) -> None:
        file = drawn.one_of(*files)
        content = file.read_bytes()
        file.write_bytes(drawn.json(json.loads(content)))
        bearing(lambda: merge([folder, whole], out))
        file.write_bytes(content)
        assert {*outside(tmp_path, out)} <= {*before, "deep", "deep/below"}
        shutil.rmtree(tmp_path / "deep", ignore_errors=True)

    attack(body)


def report(folder: Path) -> None:
    results = read_results(folder)
    entries = compare_across_tasks(results)
    document = make_document(results, make_tables(results, entries), entries, [], {})
    for text in (markdown(document), html_page(document), *latex_tables(document), overview(results)):
        text.encode()


def test_a_folder_with_a_hostile_file_is_reported(attack: Make, bearing: Make, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(whole, folder)
    files = [path for path in sorted(folder.rglob("*.json")) if path.name not in ("facts.json", "widths.json")]
    report(folder)

    def body(drawn: Any) -> None:
        file = drawn.one_of(*files)
        content = file.read_bytes()
        file.write_bytes(drawn.json(json.loads(content)))
        bearing(partial(report, folder))
        file.write_bytes(content)

    attack(body, share=0.3)
