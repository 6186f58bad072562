"""Runs that remove whole residual blocks: records, networks, ladder, refusals."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from prunebench import load
from prunebench.blocks.finding import find_blocks
from prunebench.errors import UserError
from prunebench.pruning.cost import count
from prunebench.records.record import Record
from prunebench.study.grid import make_grid
from prunebench.study.networks import allowed_model, dense_network, load_network, read_origin
from prunebench.timing.timer import as_recorded

Make = Callable[..., Any]
NET = """
import torch
from torch import nn


class Unit(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)

    def forward(self, given):
        return torch.relu(given + self.norm(self.conv(given)))


def make(channels, size, classes):
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes)]
    return nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU(), *(Unit() for _ in range(5)), *head)
"""
BLOCK = 6 * 6 * 9 * 64
MACS = 6 * 9 * 64 + 5 * BLOCK + 60
SHORT: dict[str, Any] = {"units": "blocks", "epochs": 1, "sparse_epochs": 0, "train_fraction": 0.3, "calibration": 32}


@pytest.fixture(scope="module")
def made(tiny: Make, computing: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a finished run down a ladder to two keeps."""
    place = tmp_path_factory.mktemp("blocks")
    (place / "fiveblocks.py").write_text(NET)
    criteria = "magnitude taylor random scratch:taylor dense_continued"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        spec = tiny(place / "r", models="fiveblocks.py:make", criteria=criteria, keep="0.7,0.35", **SHORT)
        yield computing(spec)


def test_the_statistics_of_batchnorm_are_repaired(tiny: Make, made: Any, computing: Callable[..., Any]) -> None:
    given = {
        "models": "fiveblocks.py:make",
        "criteria": "oracle",
        "keep": "0.7",
        "repair": "batchnorm",
        "restart": True,
    }
    record = computing(tiny(made.spec.results, **SHORT | given)).records["oracle", 0.7]
    assert record.status == "ok" and record.accuracy.repaired == record.accuracy.cut_bn


def test_records_say_which_blocks_are_gone(made: Any) -> None:
    assert len(made.records) == 10
    for (criterion, keep), record in made.records.items():
        assert record.status == "ok", record.reason
        assert record.protocol["units"] == "blocks"
        if criterion == "dense_continued":
            assert record.blocks == () and record.keep["macs"] == 1
            continue
        # five equal blocks beside stem and head: the most that may stay, and not one less
        dense = record.dense.macs
        assert record.pruned.macs == MACS - len(record.blocks) * BLOCK and dense == MACS
        assert record.keep["macs"] == pytest.approx(record.pruned.macs / MACS)
        assert record.pruned.macs <= keep * MACS < record.pruned.macs + BLOCK
        gone = {f"{name}.conv" for name in record.blocks}
        assert {layer for layer, (_, now) in record.widths.items() if now == 0} == gone
        assert all(now in (0, before) for before, now in record.widths.values())
    deep, shallow = made.records["taylor", 0.35], made.records["taylor", 0.7]
    assert set(shallow.blocks) < set(deep.blocks) and made.records["scratch:taylor", 0.35].blocks == deep.blocks
    assert made.records["random", 0.35].selection is None and deep.selection.removed == len(deep.blocks)


def test_saved_networks_are_rebuilt(made: Any) -> None:
    record: Record = made.records["taylor", 0.35]
    stage = made.spec.results / "stages" / record.network
    network = load(stage, models=[record.cell.model])
    for name in record.blocks:
        assert isinstance(network.get_submodule(name), nn.ReLU)
    assert sum(p.numel() for p in network.parameters()) == record.pruned.params  # type: ignore[union-attr]
    assert load_network(stage, models=[record.cell.model]).blocks == set(record.blocks)
    with torch.no_grad():
        assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_networks_without_blocks_are_timed_as_they_are(made: Any) -> None:
    record: Record = made.records["taylor", 0.35]
    stage = made.spec.results / "stages" / record.network
    wanted = load_network(stage, models=[record.cell.model])
    dense = dense_network(
        read_origin(stage), stage, allowed_model(record.cell.model, stage, models=[record.cell.model])
    )
    found = as_recorded(dense, record, find_blocks(dense.model, torch.zeros(2, 1, 8, 8)))
    assert count(found) == count(wanted) and found.blocks == wanted.blocks


def test_a_finished_run_computes_nothing_and_other_units_have_other_keys(
    made: Any, computing: Callable[..., Any]
) -> None:
    again = computing(made.spec)
    assert again.trained == [] and again.records == made.records
    filters = made.spec.model_copy(update={"units": "filters", "criteria": ("taylor",)})
    found = computing(filters)
    assert "dense" not in found.trained and found.trained  # the dense network is shared
    assert found.records["taylor", 0.7].blocks == () and "units" not in found.records["taylor", 0.7].protocol


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": "weights=0.5"}, "--keep weights: whole blocks are removed, not single weights"),
        ({"keep": "units=0.5"}, "--keep units: whole blocks are removed, but the units of a residual stream stay"),
        ({"ranking": "published"}, "--ranking published: whole blocks are removed, .* give local, global or per-cost"),
        ({"ranking": "per-memory"}, "--ranking per-memory: whole blocks are removed"),
        ({"ranking": "isomorphic"}, "--ranking isomorphic: whole blocks are removed"),
        ({"ranking": "global", "normalise_scores": "l2"}, "--normalise-scores: whole blocks are removed"),
        ({"repair": "least-squares"}, "--repair least-squares: .* give batchnorm"),
        ({"floor": 0.2}, "--floor: whole blocks are removed, but --floor is for units; leave --floor out"),
        ({"coupled": False}, "--no-coupled: whole blocks"),
        ({"criteria": "shuffle:taylor"}, "'shuffle:taylor': whole blocks are removed, which cannot be shuffled"),
        (
            {"criteria": "group_fisher"},
            "'group_fisher': whole blocks are removed, .* is for whole groups only: .*; leave",
        ),
        ({"criteria": "l1"}, "'l1': whole blocks are removed, and its regulariser is for units; leave l1 out$"),
        ({"criteria": "taylor l1 obd l0"}, '; leave l1, l0 out: --criteria "taylor obd"$'),
        ({"keep": "macs=0.03"}, "cannot be reached on .*: what is no block leaves at least 0.03"),
        ({"models": "lenet5"}, "'lenet5' has no blocks to remove: no module adds a branch .*; leave --units out"),
        ({"units": "block"}, "--units block: must be 'filters' or 'blocks'"),
    ],
)
def test_what_makes_no_sense_is_refused(made: Any, tiny: Make, changes: dict[str, Any], message: str) -> None:
    given = {"models": made.spec.models[0], "criteria": "taylor", "keep": "0.5"} | SHORT | changes
    with pytest.raises(UserError, match=message):
        make_grid(tiny(made.spec.results, **given))
