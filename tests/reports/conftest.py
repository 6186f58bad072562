"""Records as a run would leave them, from seeded numbers: for tests of the report only."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prunebench.records.files import DataFile
from prunebench.records.latency import Latency
from prunebench.records.packed import DensePerPicture, Packed, PerPicture
from prunebench.records.record import Cell, Cost, Environment, Epoch, Record, StageValues, WeightCount
from prunebench.records.selection import SelectionFacts
from prunebench.records.sparse import SparseFacts
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.output.all_tables import make_tables
from prunebench.reports.results import Results, gather_results
from prunebench.reports.tables.records import records_table
from prunebench.reports.tables.speed import main_setting, speed_table
from prunebench.reports.tables.summary import summary_table

DENSE = {"conv1": 20, "conv2": 50, "fc1": 500, "fc2": 10}
METHODS = ("magnitude", "taylor", "obd", "l1", "l0", "reg_obd", "random")
LEVEL = {"magnitude": 0.0, "taylor": 0.006, "obd": 0.008, "l1": 0.002, "l0": -0.004, "reg_obd": 0.01, "random": -0.03}


def cost(widths: Sequence[int]) -> Cost:
    """MACs and parameters of the 20-50-500 network on 28 px pictures, worked out by hand."""
    a, b, c, d = widths
    macs = 576 * 25 * a + 64 * 25 * a * b + 16 * b * c + c * d
    params = 26 * a + (25 * a + 1) * b + (16 * b + 1) * c + (c + 1) * d
    return Cost(macs=macs, params=params, units=a + b + c + d, bytes=4 * params)


def make_curves(criterion: str, seed: int, keep: float) -> tuple[Epoch, ...]:
    """Losses that fall by a tenth each epoch, in the stages of a run, or those of a network from fresh weights."""
    own = [("scratch", 4)] if criterion.startswith("scratch") else [("sparse", 1), ("rung 1", 1), ("finetune", 2)]
    stages = [
        f"{stage} {keep:g}" if stage in ("scratch", "finetune") else stage for stage, count in own for _ in range(count)
    ]
    labels = ["dense", "dense", "dense", *stages]
    level = 1 + 0.1 * seed + 0.01 * sum(map(ord, criterion)) % 1
    return tuple(
        Epoch(stage=label, epoch=labels[: i + 1].count(label), rate=0.1, loss=level * 0.9**i)
        for i, label in enumerate(labels)
    )


def make_record(
    criterion: str = "magnitude",
    seed: int = 0,
    keep: float = 0.5,
    ranking: str = "local",
    accuracy: float | None = None,
    **changes: Any,
) -> Record:
    """One finished point; `accuracy` sets the fine-tuned one, any field may be replaced."""
    rng = np.random.default_rng([seed, int(1000 * keep), sum(map(ord, criterion + ranking))])
    head = criterion.partition(":")[0]
    shrink = 1.0 if head == "dense_continued" else keep**0.5
    widths = [*(max(2, int(w * shrink)) for w in list(DENSE.values())[:3]), 10]
    floors: tuple[str, ...] = ()
    if ranking != "local" and criterion in ("taylor", "obd"):
        widths, floors = [min(20, 2 * widths[0]), widths[1], 50, 10], ("fc1",)
    dense, pruned = cost(list(DENSE.values())), cost(widths)
    base = 0.975 + 0.004 * np.random.default_rng(seed).standard_normal()
    loss = (0.5 / keep - 0.9) * 0.02
    level = LEVEL.get(head, 0.0) - (0.15 if floors else 0.0)
    finetuned = base - loss + level * (0.5 / keep) + 0.003 * rng.standard_normal() if accuracy is None else accuracy
    cut = max(0.1, finetuned - 0.3)
    scores = StageValues(dense=base, cut=cut, cut_bn=cut + 0.01, finetuned=finetuned)
    sparse = None
    if head in ("l1", "l0", "reg_obd"):
        after = 97.0 if (head, seed) == ("l1", 0) else 41.0
        sparse = SparseFacts(before=100.0, after=after, gradient_ratio={"conv1": 0.01, "conv2": 0.02}, acted_on=0.5)
    own = 2.0 + 1e-4 * (seed + 10 * int(100 * keep) + 10_000 * METHODS.index(head if head in METHODS else "random"))
    fields: dict[str, Any] = {
        "key": f"{criterion}-{seed}-{keep}-{ranking}",
        "cell": Cell(
            dataset="mnist", model="lenet5", criterion=criterion, seed=seed, metric="macs", keep=keep, ranking=ranking
        ),
        "protocol": {"epochs": 30, "finetune_epochs": 10, "ranking": ranking},
        "fingerprint": "0123456789abcdef",
        "evidence": {"taylor": ("weight", "grad"), "obd": ("weight", "curvature"), "l0": ("gate",)}.get(
            head, ("weight",)
        ),
        "accuracy": scores,
        "loss": StageValues(dense=0.08, cut=1.1, cut_bn=1.1, finetuned=0.12),
        "dense": dense,
        "pruned": pruned,
        "keep": {m: getattr(pruned, m) / getattr(dense, m) for m in ("macs", "params", "units")},
        "widths": {name: (full, left) for (name, full), left in zip(DENSE.items(), widths, strict=True)},
        "floors": floors,
        "selection": {
            "magnitude": SelectionFacts(groups=3, removed=250),
            "obd": SelectionFacts(groups=3, removed=250, by_lot=1, error=0.055, within_error=12, otherwise=9),
            "l0": SelectionFacts(groups=3, removed=250, constant=("conv1",), by_lot=10),
        }.get(head),
        "sparse": sparse,
        "curves": make_curves(criterion, seed, keep),
        "environment": Environment(
            versions={"torch": "2.15.0", "prunebench": "0.1.0"},
            device="cpu",
            cpu="Imaginary CPU",
            threads=1,
            commit=None,
            seconds={"dense": 7.5 + 0.01 * seed, "sparse": 2.5 + 0.01 * seed, "rung 1": own - 1.75, "finetune": own},
            cutting_seconds=0.1,
            reused=(),
            peak_memory=300_000_000,
        ),
    }
    return Record(**(fields | changes))


def make_failure(criterion: str = "l0", seed: int = 1, keep: float = 0.25, reason: str = "loss diverged") -> Record:
    """One failed cell."""
    whole = make_record(criterion, seed, keep)
    return Record(
        key=whole.key,
        cell=whole.cell,
        status="failed",
        reason=reason,
        protocol=whole.protocol,
        fingerprint=whole.fingerprint,
    )


def make_latency(record: Record, backend: str = "eager") -> Latency:
    """Pruned networks reach 80 % of the theoretical speed-up, give or take."""
    assert record.dense and record.pruned
    rng = np.random.default_rng([record.cell.seed, sum(map(ord, record.key))])
    speedup = 1 + 0.8 * (record.dense.macs / record.pruned.macs - 1) + 0.03 * rng.standard_normal()
    return Latency(
        key=record.key,
        machine="imaginary",
        backend=backend,
        batch=64,
        threads=1,
        dense_seconds=0.02,
        pruned_seconds=0.02 / speedup,
        ratios=(speedup,) * 4,
        speedup=speedup,
        low=speedup - 0.02,
        high=speedup + 0.02,
    )


def make_grid(
    criteria: Iterable[str] = METHODS,
    seeds: Iterable[int] = range(3),
    keeps: Iterable[float] = (0.5, 0.25),
    ranking: str = "local",
) -> list[Record]:
    """All cells of a grid."""
    return [make_record(c, s, k, ranking) for c in criteria for s in seeds for k in keeps]


def write_folder(folder: Path, records: Iterable[Record], latencies: Iterable[Latency] = (), preset: str = "") -> Path:
    """Write a results folder."""
    for number, record in enumerate(records):
        path = folder / "records" / record.cell.criterion.replace(":", "_") / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json())
    timing = {"schema_version": 3, "latencies": [x.model_dump(mode="json") for x in latencies]}
    (folder / "timing").mkdir(parents=True, exist_ok=True)
    (folder / "timing" / "imaginary-eager.json").write_text(json.dumps(timing))
    (folder / "run.json").write_text(json.dumps({"schema_version": 3, "preset": preset, "command": "prunebench run"}))
    return folder


def write_benchmark(path: Path, records: Iterable[Record], preset: str | None = "quick", timed: bool = True) -> Path:
    """Write a pytest-benchmark JSON as the suite's hook leaves it, with a dense entry first."""
    entries: list[dict[str, Any]] = [{"name": "dense", "extra_info": {"prunebench": {"dense": {"task": "mnist"}}}}]
    for record in records:
        ours: dict[str, Any] = {"record": record.model_dump(mode="json")}
        if timed and record.status == "ok":
            ours["latency"] = make_latency(record).model_dump(mode="json")
        entries.append({"name": record.key, "extra_info": {"prunebench": ours}})
    path.write_text(json.dumps({"benchmarks": entries, "prunebench": {"schema_version": 3, "preset": preset}}))
    return path


def add_pictures(results: Results, classes: Sequence[str] = ("cat", "dog"), thumbnails: Sequence[str] = ()) -> Results:
    """The same results with labels, predictions and weights of every network. thumbnails: PNG in base64."""
    true = np.arange(200) % len(classes)
    told = []
    for record in results.records:
        rng = np.random.default_rng([record.cell.seed, sum(map(ord, record.key))])
        own, full = (np.where(rng.random(200) < 0.9, true, (true + 1) % len(classes)) for _ in range(2))
        loss = Packed.pack(rng.exponential(0.1, 200), "float16") if len(classes) == 2 else None
        dense = DensePerPicture(pictures=200, predicted=Packed.pack(full, "uint8"), loss=loss)
        pictures = PerPicture.pack(own, rng.exponential(0.1, 200), own == true)
        counts = (WeightCount(weights=430_500, near_zero=99), WeightCount(weights=99_000, near_zero=7))
        more = {"per_image": pictures, "dense_per_image": dense, "weight_counts": counts}
        told.append(record.model_copy(update=more))
    facts = {"schema_version": 3, "fingerprint": told[0].fingerprint, "classes": tuple(classes), "pictures": 200}
    facts |= {"labels": Packed.pack(true, "uint8")}
    data = DataFile.model_validate(facts | {"thumbnails": [{"picture": i, "png": p} for i, p in enumerate(thumbnails)]})
    return replace(results, records=tuple(told), data={data.fingerprint: data})


def make_summary(results: Results) -> pd.DataFrame:
    """The summary table."""
    return summary_table(records_table(results), speed_table(results), main_setting(results))


def make_all_tables(results: Results) -> dict[str, pd.DataFrame]:
    """All tables of the report."""
    return make_tables(results, compare_across_tasks(results))


def section_text(section: Section) -> str:
    """The text of a section, line by line, without its title."""
    lines = []
    for block in section.blocks:
        if isinstance(block, Text):
            lines.append(block.text)
        elif isinstance(block, Items):
            lines += block.lines
        elif isinstance(block, Table):
            lines += [block.caption, *(" | ".join(row) for row in (block.header, *block.rows))]
    return "\n".join(lines)


def section_lines(section: Section) -> list[str]:
    """The lines of a section's lists."""
    return [line for block in section.blocks if isinstance(block, Items) for line in block.lines]


@pytest.fixture
def run_folder(make: SimpleNamespace, tmp_path: Path) -> Path:
    """A results folder of three criteria and four seeds."""
    folder: Path = make.folder(tmp_path / "results", make.grid(("magnitude", "taylor", "random"), range(4)))
    return folder


@pytest.fixture(scope="session")
def tables(make: SimpleNamespace) -> dict[str, pd.DataFrame]:
    """All tables of criteria and controls in two rankings at six seeds."""
    names = ("magnitude", "taylor", "l1", "random", "dense_continued", "scratch:magnitude")
    records = make.grid(names, range(6)) + make.grid(("taylor",), range(6), ranking="global")
    made: dict[str, pd.DataFrame] = make.tables(gather_results("x", records))
    return made


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The factories by short names."""
    factories: dict[str, Callable[..., Any]] = {
        "record": make_record,
        "failure": make_failure,
        "latency": make_latency,
        "grid": make_grid,
        "folder": write_folder,
        "benchmark": write_benchmark,
        "cost": cost,
        "summary": make_summary,
        "pictures": add_pictures,
        "tables": make_all_tables,
        "text": section_text,
        "lines": section_lines,
    }
    return SimpleNamespace(**factories)
