"""`prunebench export` of results, records and stages."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from prunebench.exporting.folder import rebuilt
from prunebench.plugins import user_model
from prunebench.reports.reading import read_results
from prunebench.study.networks import load
from prunebench.study.store import Store

Command = Callable[..., tuple[int, str, str]]


def test_a_point_is_named_in_plain_options(command: Command, computed: Any, tmp_path: Path) -> None:
    results, record = computed.spec.results, computed.records["l1", 0.5]
    code, out, _ = command("export", results, "--criterion", "l1", "--keep", "0.5", "--to", tmp_path / "out")
    assert code == 0 and "l1 | seed 0 | macs=0.5" in out
    facts = json.loads((tmp_path / "out" / "config.json").read_text())
    assert facts["accuracy"] == record.accuracy.model_dump() and facts["protocol"] == record.protocol
    assert facts["classes"] == [str(digit) for digit in range(10)]
    assert len(facts["mean"]) == len(facts["std"]) == 1 and facts["mean"] != [0.0]
    given = torch.randn(3, 1, 8, 8)
    wanted = load(results / "stages" / record.network)(given)
    torch.testing.assert_close(rebuilt(tmp_path / "out")(given), wanted, rtol=1e-6, atol=1e-6)


def test_a_record_and_a_stage_are_exported_as_well(command: Command, computed: Any, tmp_path: Path) -> None:
    results, record = computed.spec.results, computed.records["magnitude", 0.3]
    stage = results / "stages" / record.network
    for name, source in (("a", Store(results).record_path(record)), ("b", stage)):
        assert command("export", source, "--to", tmp_path / name)[0] == 0
    found = [json.loads((tmp_path / name / "config.json").read_text())["record"] for name in ("a", "b")]
    assert found == [record.key, record.key]


def test_what_cannot_be_exported_is_said(refused: Callable[..., str], computed: Any, tmp_path: Path) -> None:
    results = computed.spec.results
    to = ("--to", tmp_path / "out")
    assert "points fit; name one, such as --criterion " in refused("export", results, *to)
    assert "unknown --criterion 'l3'" in refused("export", results, "--criterion", "l3", *to)
    assert "no such file" in refused("export", tmp_path / "nothing", *to)


NETS = """
from torch import nn

def net(channels, classes):
    first, last = nn.Conv2d(channels, 8, 3), nn.Linear(8, classes)
    return nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
"""


def test_single_weights_of_an_own_model(
    command: Command, refused: Callable[..., str], tiny: Any, computing: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "own_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    spec = tiny(tmp_path / "r", models="own_nets:net", criteria="magnitude", keep="weights=0.5", epochs=1)
    computing(spec)
    text = refused("export", tmp_path / "r", "--to", tmp_path / "out")
    assert "allow it: --model own_nets:net" in text
    assert command("export", tmp_path / "r", "--model", "own_nets:net", "--to", tmp_path / "out")[0] == 0
    masks, weights = (load_file(tmp_path / "out" / f"{name}.safetensors") for name in ("masks", "weights"))
    assert masks and all((weights[f"{layer}.weight"][~mask] == 0).all() for layer, mask in masks.items())


WIDE = NETS.replace("channels, classes", "channels, classes, width=8").replace("8,", "width,")


def test_own_models_with_options_are_named_and_allowed_by_one_label(
    command: Command, refused: Callable[..., str], tiny: Any, computing: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "wide_nets.py").write_text(WIDE)
    monkeypatch.chdir(tmp_path)
    labels = ("wide_nets:net,width=16", "lenet5")
    done = computing(tiny(tmp_path / "r", models=labels, criteria="magnitude", keep="0.5", epochs=1))
    hint = next(line for line in command("show", "r")[1].splitlines() if line.startswith("its network: "))
    options = shlex.split(hint.partition("export ")[2].replace("FOLDER", "hinted"))
    assert labels[0] in options
    code, _, err = command("export", *options)
    assert code == 0, err
    assert f"allow it: --model {labels[0]}" in refused("export", "r/stages/" + _own(done).network, "--to", "stage")
    for label in (labels[0], "wide_nets:net"):
        assert command("export", "r/stages/" + _own(done).network, "--model", label, "--to", "stage")[0] == 0
    timing = ("time", "r", "--timing-rounds", "4", "--timing-batch", "1", "--device", "cpu")
    assert f"allow it: --model {labels[0]}" in refused(*timing)
    assert command(*timing, "--model", labels[0])[0] == 0


def test_the_file_of_an_own_model_names_it_from_any_folder(
    command: Command, refused: Callable[..., str], tiny: Any, computing: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    for folder in (home, other):
        folder.mkdir()
    (home / "filed_nets.py").write_text(WIDE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(home)
    short = {"criteria": "magnitude", "keep": "0.5", "epochs": 1, "sparse_epochs": 0, "rung_epochs": 0}
    computing(tiny(home / "r", models=("filed_nets.py:net", "lenet5"), **short))
    timing = ("--timing-rounds", "4", "--timing-batch", "1", "--device", "cpu")
    for here, file in ((home, "filed_nets.py"), (other, "../home/filed_nets.py"), (other, home / "filed_nets.py")):
        _forget("filed_nets", home)
        monkeypatch.chdir(here)
        model = ("--model", f"{file}:net")
        assert command("export", home / "r", "--to", tmp_path / "out", *model)[0] == 0
        assert "magnitude" in command("show", home / "r", *model)[1]
        assert command("time", home / "r", *timing, *model)[0] == 0
    _forget("filed_nets", home)
    text = refused("export", home / "r", "--to", tmp_path / "out", "--model", "filed_nets:net")
    assert "no module 'filed_nets' in " in text and "give its file, as in PATH/filed_nets.py:net" in text


def _forget(module: str, folder: Path) -> None:
    """Let Python know a module as little as a new process does."""
    sys.modules.pop(module, None)
    sys.path[:] = [one for one in sys.path if one != str(folder)]
    user_model._searched.clear()
    user_model._files.clear()


def _own(done: Any) -> Any:
    return next(one for one in read_results(done.spec.results).records if ":" in one.cell.model)


def test_a_network_that_was_not_saved_says_what_helps(
    refused: Callable[..., str], tiny: Any, computing: Any, tmp_path: Path
) -> None:
    short = {"criteria": "magnitude", "keep": "0.5", "epochs": 1, "sparse_epochs": 0, "rung_epochs": 0}
    for saving in ("none", "final"):  # finished points are read, so the second run saves nothing
        computing(tiny(tmp_path / "r", save=saving, **short))
    text = refused("export", tmp_path / "r", "--to", tmp_path / "out")
    assert "finished points are not computed again: save it in another results folder" in text


def test_removed_blocks_are_among_the_facts_of_an_export(command: Command, tmp_path: Path) -> None:
    given = (
        "--datasets digits --models resnet20 --criteria magnitude --seeds 0 --keep macs=0.8 --units blocks --restart "
        "--save final --epochs 1 --train-fraction 0.2 --sparse-epochs 0 --rung-epochs 0 --finetune-epochs 0"
    )
    assert command("run", *given.split(), "--results", str(tmp_path / "r"))[0] == 0
    (record,) = read_results(tmp_path / "r").records
    command("export", str(tmp_path / "r"), "--to", str(tmp_path / "one"))
    facts = json.loads((tmp_path / "one" / "config.json").read_text())
    assert record.blocks and facts["removed_blocks"] == sorted(record.blocks)
    assert facts["title"].endswith(f"residual blocks removed: {', '.join(record.blocks)}")
