from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.records.packed import PerPicture
from prunebench.reports.combining import read_all


def other_task(make: SimpleNamespace) -> list[object]:
    records = make.grid(("magnitude", "taylor"), range(3))
    cells = [r.cell.model_copy(update={"dataset": "fashion_mnist"}) for r in records]
    return [r.model_copy(update={"cell": c, "key": f"f-{r.key}"}) for r, c in zip(records, cells, strict=True)]


def test_two_folders_are_one_report(
    make: SimpleNamespace, command: Callable[..., tuple[int, str, str]], run_folder: Path, tmp_path: Path
) -> None:
    second = make.folder(tmp_path / "more results", other_task(make))
    results = read_all([run_folder, second])
    assert set(results.tasks.values()) == {"mnist x lenet5", "fashion_mnist x lenet5"}
    assert command("report", run_folder, second, "-o", tmp_path / "report")[0] == 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "more results&#39;" in page and "fashion_mnist x lenet5" in page


def test_a_later_source_replaces_cells(make: SimpleNamespace, run_folder: Path, tmp_path: Path) -> None:
    old = make.folder(tmp_path / "old", [make.record(accuracy=0.5, key="a"), make.failure("l0", 1, 0.25)])
    new = make.folder(tmp_path / "new", [make.record(accuracy=0.6, key="b"), make.record("l0", 1, 0.25)])
    results = read_all([old, new])
    assert sorted(r.cell.criterion for r in results.records) == ["l0", "magnitude"] and not results.failures
    assert {r.accuracy.finetuned for r in results.records if r.cell.criterion == "magnitude" and r.accuracy} == {0.6}
    assert results.superseded == 1
    assert len(read_all([old, old]).records) == 1
    assert [r.cell.criterion for r in read_all([old, run_folder]).failures] == ["l0"]


def test_other_test_pictures_are_refused(make: SimpleNamespace, tmp_path: Path) -> None:
    few, many = (PerPicture.pack([1] * n, [1] * n, [1] * n) for n in (4, 8))
    first = make.folder(tmp_path / "a", [make.record(accuracy=1.0, per_image=few)])
    second = make.folder(tmp_path / "b", [make.record("taylor", accuracy=1.0, per_image=many)])
    with pytest.raises(UserError, match=r"per_image\.pictures: 8, but 4"):
        read_all([first, second])
