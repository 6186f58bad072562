"""Files with systematic edits: every command goes on, or says in one line which file and field are wrong."""

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.records.files import read_data
from prunebench.records.merge import merge
from prunebench.records.record import read_record
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.output.all_tables import make_tables
from prunebench.reports.output.assembly import make_document
from prunebench.reports.output.compare import compare_runs
from prunebench.reports.output.latex import latex_tables
from prunebench.reports.output.rendering import html_page, markdown
from prunebench.reports.output.show import layer_table
from prunebench.reports.reading import read_results

DEEP = "in the place of ten thousand brackets"
VALUES: dict[str, Any] = {
    "text": "x", "empty": "", "list": [], "dict": {}, "true": True, "nan": float("nan"), "infinite": float("-inf"),
    "negative": -1, "zero": 0, "half": 0.5, "huge": 1e308, "huge integer": 10**30, "null": None, "deep": DEEP,
    "surrogate": "\ud800", "nul": "a\0b", "lines": "a\nb", "long": "a" * 2000,
}  # fmt: skip
Where = tuple[str | int, ...]
Edit = tuple[Where, str, Any]


def places(data: Any, at: Where = ()) -> Iterator[Where]:
    """Every field; of a list, the first item stands for all."""
    if at:
        yield at
    for key, value in (
        data.items() if isinstance(data, dict) else list(enumerate(data))[:1] if isinstance(data, list) else ()
    ):
        yield from places(value, (*at, key))


def holder(data: Any, at: Where) -> Any:
    for key in at[:-1]:
        data = data[key]
    return data


def edits(data: Any) -> Iterator[Edit]:
    """Each field with each value, without the field, with one more field beside it, and twice in its list."""
    for at in places(data):
        for name, value in VALUES.items():
            changed = copy.deepcopy(data)
            holder(changed, at)[at[-1]] = value
            yield at, name, changed
        changed = copy.deepcopy(data)
        del holder(changed, at)[at[-1]]
        yield at, "missing", changed
        changed = copy.deepcopy(data)
        inside, value = holder(changed, at), holder(data, at)[at[-1]]
        if isinstance(inside, list):
            inside.append(value)
            yield at, "twice", changed
        else:
            for more in ("more", "\ud800", "a\nb", ""):
                yield at, f"beside {more!a}", {**data, more: value} if len(at) == 1 else _beside(data, at, more)


def _beside(data: Any, at: Where, more: str) -> Any:
    changed = copy.deepcopy(data)
    holder(changed, at)[more] = holder(data, at)[at[-1]]
    return changed


def as_text(data: Any) -> str:
    return json.dumps(data).replace(json.dumps(DEEP), "[" * 10_000 + "]" * 10_000)


def one_line(error: UserError, file: Path) -> None:
    text = str(error)
    assert "\n" not in text and str(file) in text, text
    text.encode()  # no half of a surrogate pair


def report(folder: Path) -> None:
    results = read_results(folder)
    entries = compare_across_tasks(results)
    document = make_document(results, make_tables(results, entries), entries, [], {})
    for text in (markdown(document), html_page(document), latex_tables(document)):
        text.encode()


def commands(folder: Path, other: Path, file: Path) -> Iterator[Callable[[], object]]:
    yield lambda: report(folder)
    yield lambda: compare_runs(read_results(other), read_results(folder), 0.005)
    yield lambda: merge([folder, other], folder.parent / "merged")
    if "records" in file.parts:
        yield lambda: layer_table(read_record(file)).encode()


def bears(folder: Path, other: Path, file: Path, edit: Edit) -> None:
    """Run every command on a folder with one damaged file."""
    at, name, data = edit
    file.write_text(as_text(data))
    os.utime(file, (2_000_000_000, 2_000_000_000))  # the newest record of its cell
    for command in commands(folder, other, file):
        shutil.rmtree(folder.parent / "merged", ignore_errors=True)
        try:
            command()
        except UserError as error:
            if not any(words in str(error) for words in ("in common", "kept apart", "no PruneBench results")):
                one_line(error, file)
        except Exception as error:
            error.add_note(f"{file.name}: {'.'.join(map(str, at))}: {name}")
            raise


@pytest.fixture(scope="module")
def folders(
    computed: Any, add_others: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Give two small results folders: four records of a real run, latencies, a choice and a fidelity."""
    base = tmp_path_factory.mktemp("damaged")
    for name in ("folder", "other"):
        for file in computed.spec.results.rglob("*.json"):
            place = file.relative_to(computed.spec.results)
            wanted = any(f"/{c}/" in str(place) for c in ("l1", "magnitude")) and any(
                k in place.name for k in ("0.5", "0.3")
            )
            if wanted or len(place.parts) == 1 or place.parts[0] == "data":
                (base / name / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, base / name / place)
        add_others(base / name)
    return base / "folder", base / "other"


def damaged(folder: Path, place: str) -> tuple[Path, Any]:
    file = next(folder.glob(place))
    return file, json.loads(file.read_text())


def test_every_edit_of_a_record_is_read_or_refused_in_one_line(folders: tuple[Path, Path]) -> None:
    file, data = damaged(folders[0], "records/*/l1/*macs0.5*")
    before = file.read_text()
    for _, _, changed in edits(data):
        file.write_text(as_text(changed))
        try:
            read_record(file)
        except UserError as error:
            one_line(error, file)
    file.write_text(before)


def test_every_edit_of_the_true_labels_is_reported_or_refused_in_one_line(folders: tuple[Path, Path]) -> None:
    file, data = damaged(folders[0], "data/*.json")
    before, accepted = file.read_text(), 0
    for _, _, changed in edits(data):
        file.write_text(as_text(changed))
        try:
            read_data(folders[0])
        except UserError as error:
            one_line(error, file)
        else:
            accepted += 1
            report(folders[0])
    file.write_text(before)
    assert accepted


RECORD, OTHERS = "records/*/l1/*macs0.5*", ("run.json", "timing/*.json", "choices/*.json", "fidelity/*/*/*.json")


@pytest.mark.parametrize("place", [pytest.param(RECORD, marks=pytest.mark.slow), *OTHERS])
def test_commands_bear_every_edit(folders: tuple[Path, Path], place: str) -> None:
    file, data = damaged(folders[0], place)
    before, tried = file.read_text(), 0
    for number, edit in enumerate(edits(data)):
        refused = number % 40 > 0 and place == RECORD and _refused(file, edit)  # all commands read alike
        if not refused:
            tried += 1
            bears(*folders, file, edit)
    file.write_text(before)
    assert tried > 20


def _refused(file: Path, edit: Edit) -> bool:
    file.write_text(as_text(edit[2]))
    try:
        read_record(file)
    except UserError:
        return True
    return False
