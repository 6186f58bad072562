"""Bad plugins in a real run: each fails alone, by name; what was computed stays; the report tells."""

import sys
from pathlib import Path
from typing import Any

import pytest

from prunebench.cli import app as cli
from prunebench.records.record import Record, read_record

PLUGIN = """
import random
import torch
from prunebench import Criterion, ModelScore, Penalty

def nan(weight):
    return weight.norm(dim=1) / 0 * 0

def long(weight):
    return weight

def number(weight):
    return 3.0

def integers(weight):
    return weight.norm(dim=1).argsort()

def elsewhere(weight):
    return weight.norm(dim=1).to("meta")

def raises(weight):
    raise KeyError("nothing")

def leaves(weight):
    raise SystemExit(7)

def halves(weight):
    return weight.mul_(0.5).norm(dim=1)

def draws(weight):
    return torch.rand(len(weight))

def rolls(weight):
    return weight.norm(dim=1) + random.random()

def norms(model):
    return {n: m.weight.detach().flatten(1).norm(dim=1) for n, m in model.named_modules() if hasattr(m, "weight")}

def behind(model, batches, generator):
    for parameter in model.parameters():
        parameter.data.mul_(2)
    return norms(model)

def trains(model, batches, generator):
    model.train()
    return norms(model)

def hooks(model, batches, generator):
    model.conv1.register_forward_hook(lambda *_: None)
    return norms(model)

def frozen(model, batches, generator):
    model.conv1.requires_grad_(False)
    return norms(model)

def mask(model, batches, generator):
    model.register_buffer("mask", torch.ones(1))
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

def infinite(weight):
    return weight.square().sum() / 0

SCORES = [nan, long, number, integers, elsewhere, raises, leaves, halves, draws, rolls, fine, first]
MODELS = [behind, trains, hooks, frozen, mask]
PENALTIES = [detached, infinite]
for f in SCORES:
    globals()[f.__name__.upper()] = Criterion(f)
for f in MODELS:
    globals()[f.__name__.upper()] = ModelScore(f)
for f in PENALTIES:
    globals()[f.__name__.upper()] = Criterion(fine, name=f.__name__, regulariser=Penalty(f, strength=0.1))
"""
LAYER = "criterion '{0}' on layer 'conv1' "
SAID = {
    "nan": LAYER + "gives 20 scores that are not finite",
    "long": LAYER + "gives scores of shape (20, 25), not (20,)",
    "number": LAYER + "gives a float, not a tensor",
    "integers": LAYER + "gives scores of torch.int64, not of floating-point numbers",
    "elsewhere": LAYER + "gives scores on meta, not on cpu",
    "raises": LAYER + "failed: KeyError: 'nothing' (bad.py:22)",
    "leaves": LAYER + "failed: SystemExit: 7 (bad.py:25)",
    "halves": "criterion '{0}' on layer 'conv1' changes its evidence weight in place; ",
    "draws": "criterion '{0}' changes torch's global random state; ",
    "rolls": "criterion '{0}' changes Python's global random state; ",
    "behind": "criterion '{0}' changes the parameter 'conv1.weight', ",
    "trains": "criterion '{0}' changes the mode of the network, ",
    "hooks": "criterion '{0}' changes the hooks of 'conv1'; ",
    "frozen": "criterion '{0}' changes requires_grad of 'conv1.weight', ",
    "mask": "criterion '{0}' changes the buffer 'mask'; ",
    "detached": "regulariser '{0}' gives a term without gradient; the term must depend on a trained parameter",
    "infinite": "regulariser '{0}' gives a term of inf",
}
TINY = [
    *("--models", "lenet5", "--datasets", "digits", "--device", "cpu"),
    *("--train-fraction", "0.2", "--calibration", "64", "--epochs", "1", "--sparse-epochs", "1"),
    *("--rung-epochs", "0", "--finetune-epochs", "1"),
]
CELLS = ["--seeds", "0-1", "--keep", "0.9"]


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["prunebench", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def records(results: Path) -> list[Record]:
    return [read_record(path) for path in (results / "records").rglob("*.json")]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "bad.py"
    path.write_text(PLUGIN)
    return path


def test_each_fails_alone_by_name_and_the_report_tells(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    plugin: Path,
) -> None:
    results, criteria = tmp_path / "r", " ".join(["fine", *SAID, "magnitude"])
    code = command(monkeypatch, "run", "--plugin", plugin, "--criteria", criteria, "--results", results, *TINY, *CELLS)
    assert (code, capsys.readouterr().out) == (1, f"4 points in {results}, {2 * len(SAID)} failed\n")
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
    assert command(monkeypatch, "report", results, "-o", tmp_path / "report") == 0
    page = (tmp_path / "report" / "report.md").read_text()
    for name, text in SAID.items():
        assert text.format(name).partition("(")[0].rstrip("; ,") in page.replace("\\", "")


def test_a_network_that_was_changed_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plugin: Path
) -> None:
    more = ("--restart", "--keep", "0.9,0.5", "--seeds", "0", "--criteria", "first fine", "--results", tmp_path / "r")
    assert command(monkeypatch, "run", "--plugin", plugin, *TINY, *more) == 1
    found = {(r.cell.criterion, r.cell.keep): r for r in records(tmp_path / "r")}
    assert found["first", 0.9].status == "failed"
    assert found["first", 0.5].accuracy == found["fine", 0.5].accuracy
