import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.preview.dry_run import preview
from prunebench.records.merge import merge
from prunebench.study.grid import Grid, Planner, make_grid
from prunebench.study.run import RECORDS
from prunebench.study.store import Store

Make = Callable[..., Any]


PAIRS = """
from torch import nn

class Pair(nn.Sequential):
    def forward(self, pictures):
        scores = super().forward(pictures)
        return (scores, pictures) if self.training else scores

def net(channels, classes):
    return Pair(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
"""


def str_of(grid: Grid) -> str:
    return str(preview(grid))


def cells(text: str) -> dict[tuple[str, str], str]:
    rows = [line.rsplit("  ", 2) for line in text.splitlines() if " | " in line]
    return {(cell.split(" | ")[1], keep.strip()): state.strip() for cell, keep, state in rows}


def row(text: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith("digits x lenet5  "))
    return [part.strip() for part in line.split("  ") if part.strip()]


def test_everything_is_to_do_in_a_new_folder(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunebench.study.trajectory.train", lambda *_: pytest.fail("trained"))
    spec = tiny(tmp_path, criteria="magnitude l1 dense_continued", keep="0.7,0.5", finetune_epochs=4)
    text = str_of(make_grid(spec))
    names = ("magnitude", "l1", "dense_continued")
    assert cells(text) == {(name, keep): "to do" for name in names for keep in ("macs=0.7", "macs=0.5")}
    _, points, stages, epochs, *_ = row(text)
    assert points == "6"
    assert sorted(stages.split(", ")) == ["1 dense", "2 sparse", "6 point", "9 rung"]
    assert int(epochs) == 3 + 2 * 1 + 9 * 1 + 6 * 4


def test_a_network_that_cannot_be_trained_costs_nothing(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pairs.py").write_text(PAIRS)
    monkeypatch.chdir(tmp_path)
    text = str_of(make_grid(tiny(tmp_path / "out", criteria="magnitude", keep="0.9", models="pairs:net")))
    assert "none: it cannot be trained: it returns a tuple in training mode" in text


def test_the_macs_by_hand(tiny: Make, tmp_path: Path) -> None:
    text = str_of(make_grid(tiny(tmp_path, criteria="magnitude", keep="0.9")))
    pictures = round(1437 * 0.4 * 0.9)
    dense = 8 * 8 * 20 * 25 + 4 * 4 * 50 * 20 * 25 + 500 * 200 + 10 * 500
    assert float(row(text)[4]) == pytest.approx(3 * dense * pictures * (3 + 1 + 0.9), rel=0.01)


def test_single_weights_cost_as_much_as_none(tiny: Make, tmp_path: Path) -> None:
    texts = (str_of(make_grid(tiny(tmp_path, criteria="magnitude", keep=f"{m}=0.9"))) for m in ("macs", "weights"))
    whole, ninth = (row(text) for text in texts)
    assert float(ninth[4]) / float(whole[4]) == pytest.approx((3 + 1 + 1) / (3 + 1 + 0.9), rel=0.01)


def test_finished_cells_cost_nothing(computed: Any, tiny: Make) -> None:
    spec = tiny(computed.spec.results, criteria="magnitude taylor", keep="0.7,0.3")
    text = str_of(make_grid(spec))
    assert cells(text) == {
        ("magnitude", "macs=0.7"): "finished",
        ("magnitude", "macs=0.3"): "finished",
        ("taylor", "macs=0.7"): "to do",
        ("taylor", "macs=0.3"): "to do",
    }
    assert row(text)[1:4] == ["2", "5 rung, 2 point", "7"] or row(text)[1:4] == ["2", "2 point, 5 rung", "7"]


_opened: list[str] = []
sys.addaudithook(lambda event, given: _opened.append(str(given[0])) if event == "open" else None)


def test_what_is_finished_is_known_from_names_alone(computed: Any) -> None:
    grid = make_grid(computed.spec)
    paths = {path.relative_to(computed.spec.results) for path in computed.spec.results.glob("records/**/*.json")}
    assert {Path(name) for job in grid.jobs for _, name in Planner(grid.spec).points(job)} == paths
    _opened.clear()
    assert list(RECORDS.finished(grid)) == list(grid.jobs)
    assert all(state == "finished" for _, _, state in preview(grid).cells)
    assert [path for path in _opened if path.endswith(".json") and "records" in Path(path).parts] == []


def test_a_failed_point_is_known_by_its_mark(computed: Any, tiny: Make, tmp_path: Path) -> None:
    record = computed.records["magnitude", 0.7]
    store, grid = Store(tmp_path), make_grid(tiny(tmp_path, criteria="magnitude", keep="0.7"))
    store.put(record.model_copy(update={"status": "failed"}))
    assert preview(grid).cells[0][2] == "to do"
    merge([tmp_path], tmp_path / "merged")
    assert not Store(tmp_path / "merged").finished_records() and store.finished_records(failed=True)
    store.put(record)
    assert preview(grid).cells[0][2] == "finished"
    merge([tmp_path], tmp_path / "merged")
    assert Store(tmp_path / "merged").finished_records() == store.finished_records()


def test_a_control_needs_what_it_copies(tiny: Make, tmp_path: Path) -> None:
    stages = row(str_of(make_grid(tiny(tmp_path, criteria="shuffle:l1", keep="0.7"))))[2]
    assert sorted(stages.split(", ")) == ["1 dense", "2 point", "2 rung", "2 sparse"]


def test_too_few_seeds_are_said_before_anything_runs(tiny: Make, tmp_path: Path) -> None:
    def first_line(seeds: str) -> str:
        return str_of(make_grid(tiny(tmp_path, criteria="magnitude", keep="0.9", seeds=seeds))).splitlines()[0]

    assert first_line("0-4").endswith("5 seeds: no verdict, which takes 6 or more")
    assert first_line("0-5").endswith("; 6 seeds")
    assert "1 seed, the one numbered 5 (--seeds 0-4 gives 5 of them): no verdict" in first_line("5")
