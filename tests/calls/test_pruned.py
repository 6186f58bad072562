"""The facts of a pruned network, as text."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from prunebench import Pruned, UserError, export, prune
from prunebench.exporting.folder import About


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2))


def test_units_are_shown_as_widths() -> None:
    facts = Pruned.of(prune(network(), shape=(1, 8, 8), keep={"macs": 0.5}))
    assert repr(facts) == str(facts) and "widths: 0 4/8" in str(facts) and "weights" not in str(facts)
    assert facts._repr_html_().startswith("<pre>magnitude")


def test_the_share_of_single_weights_that_is_kept_is_shown() -> None:
    facts = Pruned.of(prune(network(), shape=(1, 8, 8), keep={"weights": 0.25}))
    total, left = 8 * 9 + 8 * 36 * 2, sum(int(mask.sum()) for mask in facts.masks.values())
    (row,) = (line.split() for line in str(facts).splitlines() if line.startswith("single weights"))
    assert row == ["single", "weights", str(total), str(left), "25.0", "%", "4.00x"]
    assert facts.weights["0"] == (72, int(facts.masks["0"].sum())) and f"0 {facts.weights['0'][1]}/72" in str(facts)
    assert "widths: as before" in str(facts)


def test_another_network_has_no_facts() -> None:
    with pytest.raises(UserError, match="a Sequential without facts"):
        Pruned.of(network())


def test_an_export_tells_costs_and_masks(tmp_path: Path) -> None:
    small = prune(network(), shape=(1, 8, 8), keep=0.5)
    export(small, tmp_path / "units", torch.zeros(1, 1, 8, 8), about=About(facts={"criterion": "mine"}))
    told = json.loads((tmp_path / "units" / "config.json").read_text())
    assert told["dense"]["macs"] == 8 * 9 * 36 + 8 * 36 * 2 and told["keep"]["macs"] == 0.5
    assert told["pruned"]["macs"] == small.pruned.macs and told["criterion"] == "mine" and "accuracy" not in told
    single = prune(network(), shape=(1, 8, 8), keep={"weights": 0.25})
    assert "masks.safetensors" in [path.name for path in export(single, tmp_path / "one", torch.zeros(1, 1, 8, 8))]
    assert json.loads((tmp_path / "one" / "config.json").read_text())["keep"]["weights"] == 0.25
