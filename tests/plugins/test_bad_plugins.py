"""Bad plugins in a real run: each fails alone, by name; what was computed stays; the report tells."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.records.record import Record, read_record

PLUGIN = """
import random
from prunebench import Criterion, ModelScore, Penalty

def nan(weight):
    return weight.norm(dim=1) / 0 * 0

def raises(weight):
    raise KeyError("nothing")

def leaves(weight):
    raise SystemExit(7)

def rolls(weight):
    return weight.norm(dim=1) + random.random()

def norms(model):
    return {n: m.weight.detach().flatten(1).norm(dim=1) for n, m in model.named_modules() if hasattr(m, "weight")}

def behind(model, batches, generator):
    for parameter in model.parameters():
        parameter.data.mul_(2)
    return norms(model)

def fine(weight):
    return weight.norm(dim=1)

once = []

def first(weight):
    if not once:
        once.append(weight.zero_())
    return weight.norm(dim=1)

def detached(weight):
    return weight.detach().square().sum()

for f in [nan, raises, leaves, rolls, fine, first]:
    globals()[f.__name__.upper()] = Criterion(f)
BEHIND = ModelScore(behind)
DETACHED = Criterion(fine, name="detached", regulariser=Penalty(detached, strength=0.1))
"""
Command = Callable[..., tuple[int, str, str]]
LAYER = "criterion '{0}' on layer 'conv1' "
SAID = {
    "nan": LAYER + "gives 20 scores that are not finite",
    "raises": LAYER + "failed: KeyError: 'nothing' (bad.py:9)",
    "leaves": LAYER + "failed: SystemExit: 7 (bad.py:12)",
    "rolls": "criterion '{0}' changes Python's global random state; ",
    "behind": "criterion '{0}' changes the parameter 'conv1.weight', ",
    "detached": "regulariser '{0}' gives a term without gradient; the term must depend on a trained parameter",
}
TINY = [
    *("--models", "lenet5", "--datasets", "digits", "--device", "cpu"),
    *("--train-fraction", "0.2", "--calibration", "64", "--epochs", "1", "--sparse-epochs", "1"),
    *("--rung-epochs", "0", "--finetune-epochs", "1"),
]
CELLS = ["--seeds", "0-1", "--keep", "0.9"]


def records(results: Path) -> list[Record]:
    return [read_record(path) for path in (results / "records").rglob("*.json")]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "bad.py"
    path.write_text(PLUGIN)
    return path


def test_each_fails_alone_by_name_and_the_report_tells(
    command: Command, caplog: pytest.LogCaptureFixture, tmp_path: Path, plugin: Path
) -> None:
    results, criteria = tmp_path / "r", " ".join(["fine", *SAID, "magnitude"])
    code, out, _ = command("run", "--plugin", plugin, "--criteria", criteria, "--results", results, *TINY, *CELLS)
    assert (code, out.splitlines()[-1]) == (1, f"4 points in {results}, {2 * len(SAID)} failed")
    by_name: dict[str, Any] = {}
    for record in records(results):
        by_name.setdefault(record.cell.criterion, []).append(record)
    assert set(by_name) == {"fine", "magnitude", *SAID}
    for name, text in SAID.items():
        assert [r.status for r in by_name[name]] == ["failed", "failed"]
        assert by_name[name][0].reason.startswith(text.format(name)), by_name[name][0].reason
        assert "\n" not in by_name[name][0].reason
        assert f"digits x lenet5 | {name} | seed 1 | macs=0.9 FAILED: {text.format(name)}" in caplog.text
    assert [r.status for name in ("fine", "magnitude") for r in by_name[name]] == ["ok"] * 4
    for seed in (0, 1):  # the same score on the same networks
        one, other = (next(r for r in by_name[n] if r.cell.seed == seed) for n in ("fine", "magnitude"))
        assert one.accuracy == other.accuracy
    assert command("report", results, "-o", tmp_path / "report")[0] == 0
    page = (tmp_path / "report" / "report.md").read_text()
    for name, text in SAID.items():
        assert text.format(name).partition("(")[0].rstrip("; ,") in page.replace("\\", "")


def test_a_network_that_was_changed_is_not_used_again(command: Command, tmp_path: Path, plugin: Path) -> None:
    more = ("--restart", "--keep", "0.9,0.5", "--seeds", "0", "--criteria", "first fine", "--results", tmp_path / "r")
    assert command("run", "--plugin", plugin, *TINY, *more)[0] == 1
    found = {(r.cell.criterion, r.cell.keep): r for r in records(tmp_path / "r")}
    assert found["first", 0.9].status == "failed"
    assert found["first", 0.5].accuracy == found["fine", 0.5].accuracy
