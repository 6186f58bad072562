import json
import textwrap
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import prunebench
from prunebench.errors import UserError
from prunebench.models.resnet import RESNET20
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network, Table
from prunebench.pruning.removal import remove, zero_units
from prunebench.study.networks import Origin, check_allowed, load_into, save

ORIGIN = Origin(model="resnet20", channels=3, size=16, classes=4)


@pytest.fixture(scope="module")
def table() -> Table:
    return analyse(RESNET20(3, 16, 4), torch.zeros(1, 3, 16, 16), check=False)


def pruned(table: Table) -> tuple[Network, Tensor]:
    """Prune twice, give it gates and zeroed units; channels_last, as training leaves it."""
    torch.manual_seed(3)
    network = Network.dense(RESNET20(3, 16, 4).to(memory_format=torch.channels_last), table)
    network.gates = {"conv1": torch.randn(16)}
    network.pushed = {"conv1": torch.arange(16) < 8, "layer2.0.conv2": torch.arange(32) % 2 == 0}
    network = remove(network, {"conv1": torch.tensor([0, 5]), "layer3.0.conv2": torch.arange(40)})
    network = remove(network, {"layer2.0.conv2": torch.tensor([31, 7])})
    zero_units(network, {"layer1.0.conv1": torch.tensor([2])})
    pictures = torch.randn(8, 3, 16, 16)
    network.model.train()(pictures)  # moves the running statistics
    network.model.eval()
    return network, pictures


def test_round_trip(table: Table, tmp_path: Path) -> None:
    network, pictures = pruned(table)
    save(network, tmp_path / "new" / "folder")
    dense = RESNET20(3, 16, 4)
    loaded = load_into(dense, table, tmp_path / "new" / "folder")
    state = loaded.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.model.state_dict().items())
    assert all(torch.equal(kept, loaded.kept[group]) for group, kept in network.kept.items())
    assert torch.equal(loaded.gates["conv1"], network.gates["conv1"]) and len(loaded.gates) == 1
    assert loaded.pushed.keys() == {"conv1", "layer2.0.conv2"}
    assert loaded.pushed["conv1"].tolist() == [True] * 6 + [False] * 8  # 0 and 5 are gone
    assert torch.equal(loaded.pushed["layer2.0.conv2"], network.pushed["layer2.0.conv2"])
    assert torch.equal(loaded.model.eval()(pictures), network.model.to(memory_format=torch.contiguous_format)(pictures))
    assert dense.conv1.out_channels == 16
    again = remove(loaded, {"conv1": torch.tensor([1])})  # goes on with original numbers
    assert again.units["conv1"] == 13
    assert again.pushed["conv1"].tolist() == [True] * 5 + [False] * 8
    assert len(loaded.pushed["conv1"]) == 14


def test_load_builds_from_the_registry_and_draws_nothing(table: Table, tmp_path: Path) -> None:
    network, pictures = pruned(table)
    save(network, tmp_path, ORIGIN)
    state = torch.get_rng_state()
    model: nn.Module = prunebench.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), state) and not model.training
    expected = network.model.to(memory_format=torch.contiguous_format)(pictures)
    assert torch.equal(model(pictures), expected)


def test_no_pickle(table: Table, tmp_path: Path) -> None:
    save(pruned(table)[0], tmp_path, ORIGIN)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gates.safetensors",
        "pushed.safetensors",
        "weights.safetensors",
        "widths.json",
    ]
    data = json.loads((tmp_path / "widths.json").read_text())
    assert data["kept"]["layer2.0.conv2"] == [n for n in range(32) if n not in (7, 31)] and data[
        "model"
    ] == ORIGIN.model_dump(mode="json")


def test_a_folder_without_origin_is_not_loaded(table: Table, tmp_path: Path) -> None:
    save(pruned(table)[0], tmp_path)
    with pytest.raises(UserError, match="saved without the model's name"):
        prunebench.load(tmp_path)


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {  # by what widths.json is made to hold
    "json": (lambda data: "{", "widths.json: not a file of prunebench"),
    "schema": (lambda data: data | {"schema_version": 99}, "schema 99, this version reads schema 1"),
    "groups": (lambda data: data | {"kept": {"other": [0]}}, "the coupled groups differ"),
    "range": (lambda data: data | {"kept": data["kept"] | {"conv1": [0, 99]}}, "group 'conv1' has 16 units"),
    "shape": (
        lambda data: data | {"kept": data["kept"] | {"conv1": [0, 1]}},
        "does not fit the model: .* is torch.float32 of shape",
    ),
}


def refused(table: Table, folder: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_into(RESNET20(3, 16, 4), table, folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("how", SPOILT)
def test_what_does_not_fit_is_one_line(table: Table, tmp_path: Path, how: str) -> None:
    save(pruned(table)[0], tmp_path)
    change, message = SPOILT[how]
    widths = tmp_path / "widths.json"
    found = change(json.loads(widths.read_text()))
    widths.write_text(found if isinstance(found, str) else json.dumps(found))
    refused(table, tmp_path, message)


def test_files_that_cannot_be_read(table: Table, tmp_path: Path) -> None:
    refused(table, tmp_path, "no saved network here")
    save(pruned(table)[0], tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"no tensors")
    refused(table, tmp_path, "weights.safetensors: cannot be read")


def test_layers_that_the_check_had_fixed_are_whole_when_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        from torch import nn

        def net(channels, classes):
            first = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, 8, 1), nn.GLU(1), nn.Conv2d(4, 4, 1)
            return nn.Sequential(*first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
    """
    (tmp_path / "gated.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    model = import_module("gated").net(3, 2).eval()
    network = Network.dense(model, analyse(model, torch.zeros(1, 3, 4, 4)))
    assert list(network.table.fixed) == ["1"]
    small = remove(network, {"0": torch.arange(3)})
    save(small, tmp_path, Origin(model="gated:net", channels=3, size=4, classes=2))
    pictures = torch.randn(2, 3, 4, 4)
    assert torch.equal(prunebench.load(tmp_path, models=["gated:net"])(pictures), small.model(pictures))


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a working folder whose modules leave a trace when they are imported or called."""
    text = "from pathlib import Path\nPath('trace').touch()\ndef net(*_, **__): Path('trace').touch()\n"
    for name in ("trapnets", "lenet"):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "trace"


@pytest.mark.parametrize("allowed", ["trapnets:net", "trapnets.py:net", "trapnets:net,width=2", "trapnets:net,width=3"])
def test_a_model_with_options_is_allowed(table: Table, tmp_path: Path, traps: Path, allowed: str) -> None:
    origin = ORIGIN.model_copy(update={"model": "trapnets:net,width=2"})
    save(pruned(table)[0], tmp_path / "n", origin)
    check_allowed(origin.model, tmp_path / "n", (), [allowed])
    with pytest.raises(UserError, match=r"allow it: --model trapnets:net,width=2, in Python models=\['trapnets:net,w"):
        check_allowed(origin.model, tmp_path / "n", (), ["trapnets:other", "trapnets", "other:net"])
    with pytest.raises(UserError, match=r"'mine'.* allow it: --plugin FILE"):
        check_allowed("mine", tmp_path / "n", (), ["mine", allowed])
    assert not traps.exists()


@pytest.mark.parametrize(
    "label",
    ["trapnets:net", "trapnets:net,width=2", "lenet:net", "timeit:timeit,stmt=open('trace'+chr(44)+'w')", "os:abort"],
)
def test_a_folder_never_names_code_to_import(table: Table, tmp_path: Path, traps: Path, label: str) -> None:
    save(pruned(table)[0], tmp_path / "n", ORIGIN.model_copy(update={"model": label}))
    with pytest.raises(UserError, match=r"is not a registered model; if you trust its code, allow it: --model "):
        prunebench.load(tmp_path / "n", models=["another:net"])
    assert not traps.exists()


def test_what_the_caller_allows_is_imported(table: Table, tmp_path: Path, traps: Path) -> None:
    save(pruned(table)[0], tmp_path / "n", ORIGIN.model_copy(update={"model": "trapnets:net"}))
    with pytest.raises(UserError, match="trapnets:net"):  # it returns no network
        prunebench.load(tmp_path / "n", models=["trapnets:net"])
    assert traps.exists()


EDITS: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "nan": (lambda t: t["conv1.weight"][0].fill_(torch.nan), "conv1.weight holds numbers that are infinite or not"),
    "infinite": (lambda t: t["bn1.running_var"].fill_(torch.inf), "bn1.running_var holds numbers that are infinite"),
    "type": (lambda t: t.update({"bn1.bias": t["bn1.bias"].double()}), "bn1.bias is torch.float64 of shape"),
    "extra": (lambda t: t.update({"more": torch.zeros(1)}), "does not fit the model: more is not of this model"),
    "missing": (lambda t: t.pop("bn1.bias"), "does not fit the model: bn1.bias is missing"),
    "shape": (
        lambda t: t.update({"bn1.bias": torch.zeros(3)}),
        r"bn1.bias is torch.float32 of shape \(3,\), not torch",
    ),
}


@pytest.mark.parametrize("how", EDITS)
def test_tensors_that_are_not_the_models(table: Table, tmp_path: Path, how: str) -> None:
    save(pruned(table)[0], tmp_path)
    change, message = EDITS[how]
    tensors = load_file(tmp_path / "weights.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "weights.safetensors")
    refused(table, tmp_path, message)


@pytest.mark.parametrize("name", ["gates", "masks", "pushed"])
@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        ({"conv1": torch.zeros(3)}, r"conv1 is torch.float32 of shape \(3,\), not torch"),
        ({"conv1": torch.zeros(14, dtype=torch.int64)}, "conv1 is torch.int64 of shape"),
        ({"nowhere": torch.zeros(14)}, "nowhere is not of this model"),
    ],
)
def test_gates_and_masks_of_wrong_shapes(
    table: Table, tmp_path: Path, name: str, tensor: dict[str, Tensor], message: str
) -> None:
    save(pruned(table)[0], tmp_path)
    save_file(tensor, tmp_path / f"{name}.safetensors")
    refused(table, tmp_path, f"{name}.safetensors: does not fit the model: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kept": {"conv1": [1, 0]}}, "group 'conv1' has 16 units, the file keeps"),
        ({"kept": {"conv1": [0, 0]}}, "group 'conv1' has 16 units, the file keeps"),
        ({"kept": {"conv1": [-1]}}, "kept.conv1.0: Input should be greater than or equal to 0"),
        ({"kept": {"conv1": [0.5]}}, "kept.conv1.0: "),
        ({"model": {"size": 10**9}}, "model.size: Input should be less than or equal to 10000"),
        ({"model": {"size": "wide"}}, "model.size: "),
        ({"model": {"size": 1}}, "resnet20 needs pictures of at least 8 x 8 pixels"),
        ({"model": {"classes": 5}}, "does not fit the model"),
        ({"model": {"model": "nosuch"}}, "which is not a registered model"),
        ({"model": {"model": "resnet20:shortcut=Z"}}, "unknown shortcut 'Z'"),
        ({"model": {"more": 1}}, "model.more: Extra inputs are not permitted"),
        ({"model": 3}, "widths.json: corrupt network: model: "),
        ({"schema_version": [1]}, "network schema"),
    ],
)
def test_widths_with_other_values_are_one_line(
    table: Table, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    save(pruned(table)[0], tmp_path, ORIGIN)
    data = json.loads((tmp_path / "widths.json").read_text())
    for name, value in change.items():
        data[name] = data[name] | value if isinstance(value, dict) else value
    (tmp_path / "widths.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match=message) as caught:
        prunebench.load(tmp_path)
    assert "\n" not in str(caught.value)
