"""An exported folder rebuilds its network where PruneBench cannot be imported."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench import Network, UserError, analyse, export, remove
from prunebench.exporting import folder as exporting
from prunebench.exporting.folder import About
from prunebench.exporting.onnx_file import session
from prunebench.plugins.registry import get_model, load_registry

ALONE = """
import sys
sys.modules["prunebench"] = None
sys.path.insert(0, sys.argv[1])
import torch
from network import load, prepare
given = torch.load(sys.argv[1] + "/../given.pt")
torch.save((load()(given), prepare(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8))), sys.argv[1] + "/../found.pt")
"""


def halved(name: str, size: int) -> nn.Module:
    """Build a network and remove half of the units of every group, the first ones."""
    torch.manual_seed(0)
    dense = get_model(name, load_registry(()))(3, size, 4)
    table = analyse(dense, torch.zeros(1, 3, size, size), check=False)
    gone = {group.name: torch.arange(group.units // 2) for group in table.groups if group.units > 1}
    return remove(Network.dense(dense, table), gone).model.eval()


class Branching(nn.Module):
    """Its layers cannot be followed: Python looks at a shape, and attention has no plain call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding="same")
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.scores = nn.Linear(8, 4)
        self.register_buffer("shift", torch.randn(8), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        maps = self.conv(pictures)
        if maps.shape[0] > 0:
            maps = torch.relu(maps)
        tokens = maps.flatten(2).transpose(1, 2)
        tokens, _ = self.attention(tokens, tokens, tokens)
        scores: Tensor = self.scores(tokens.mean(1) + self.shift)
        return scores


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "torchvision:mobilenet_v3_small", "densenet40"])
def test_the_rebuilt_network_is_the_same(name: str, tmp_path: Path) -> None:
    network = halved(name, 32)
    export(network, tmp_path / "out", torch.zeros(1, 3, 32, 32), about=About(mean=(0.5,) * 3, std=(0.25,) * 3))
    given = torch.randn(5, 3, 32, 32)
    torch.save(given, tmp_path / "given.pt")
    subprocess.run([sys.executable, "-P", "-c", ALONE, str(tmp_path / "out")], check=True, cwd=tmp_path)
    found, prepared = torch.load(tmp_path / "found.pt")
    with torch.no_grad():
        torch.testing.assert_close(found, network(given), rtol=1e-6, atol=1e-6)
    assert prepared.flatten().tolist() == [2.0, 2.0, 2.0]
    text = (tmp_path / "out" / "network.py").read_text()
    assert "prunebench" not in text and "nn.Conv2d(" in text
    facts = json.loads((tmp_path / "out" / "config.json").read_text())
    assert not facts["inference_only"]
    assert facts["parameters"] == sum(p.numel() for p in network.parameters())


def test_a_network_whose_layers_cannot_be_followed_is_written_as_operations(tmp_path: Path) -> None:
    network = Branching().train()
    network.scores.weight.requires_grad_(False)
    export(network, tmp_path / "out", torch.zeros(1, 3, 8, 8))
    again = exporting.rebuilt(tmp_path / "out")
    for count in (1, 4):
        given = torch.randn(count, 3, 8, 8)
        torch.testing.assert_close(again(given), network.eval()(given), rtol=1e-6, atol=1e-6)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["inference_only"]
    assert "inference alone" in (tmp_path / "out" / "README.md").read_text()
    assert not network.scores.weight.requires_grad  # the given network stays as it was


def test_a_compiled_network_is_written_as_the_network_inside(tmp_path: Path) -> None:
    network, pictures = halved("resnet20", 8), torch.zeros(1, 3, 8, 8)
    compiled = torch.compile(network)
    assert isinstance(compiled, nn.Module)
    for name, given in (("plain", network), ("compiled", compiled)):
        export(given, tmp_path / name, pictures)
    assert (tmp_path / "plain/network.py").read_text() == (tmp_path / "compiled/network.py").read_text()


def test_a_network_that_draws_in_eval_mode_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    class Drawing(nn.Sequential):
        def forward(self, pictures: Tensor) -> Tensor:
            scores: Tensor = super().forward(pictures)
            return scores + torch.rand(1)

    network = Drawing(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(UserError, match=r"A net cannot be exported: .* gives other scores"):
        export(network, tmp_path / "out", torch.zeros(1, 3, 2, 2), about=About("A net."))
    assert list(tmp_path.iterdir()) == []


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 2))


PICTURES = torch.zeros(1, 3, 2, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.txt", "mine"),
        ("config.json", '{"format": 1, "name": "of another project"}'),
        ("config.json", "[1]"),
        ("config.json", "\0 not JSON"),
        ("network.py", "print('mine')"),
        ("config.json/inside.txt", "a folder"),
        (".hidden", ""),
    ],
)
def test_a_folder_of_something_else_is_not_touched(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "folder" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(UserError, match=f"holds something else, such as '{name.partition('/')[0]}'; give a folder"):
        export(small(), tmp_path / "folder", PICTURES)
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path] and path.read_text() == text


def test_an_earlier_export_is_replaced_but_not_where_it_holds_more(tmp_path: Path) -> None:
    out = tmp_path / "out"
    masks = {"1": torch.ones(2, 12, dtype=torch.bool)}
    assert (out / "masks.safetensors") in export(small(), out, PICTURES, about=About(masks=masks))
    (out / "__pycache__").mkdir()
    (out / "__pycache__" / "network.cpython-312.pyc").write_bytes(b"")  # as importing leaves it
    paths = export(small(), out, PICTURES)
    assert sorted(path for path in out.iterdir() if path.is_file()) == paths and len(paths) == 4
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o644}
    before = (out / "weights.safetensors").read_bytes()
    (out / "checkpoint.pt").write_text("mine")
    with pytest.raises(UserError, match=r"holds something else, such as 'checkpoint.pt'"):
        export(small(), out, PICTURES)
    assert (out / "checkpoint.pt").exists() and (out / "weights.safetensors").read_bytes() == before


def test_links_are_followed_and_files_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for _ in range(2):
        export(small(), tmp_path / "link", PICTURES)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "network.py").exists()
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/inside"):
        with pytest.raises(UserError, match=f"{place}.*; give a"):
            export(small(), tmp_path / place, PICTURES)
    assert (tmp_path / "file").read_text() == "mine"


class Wrapped(nn.Module):
    """Returns its scores in something else."""

    def __init__(self, wrap: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.inner, self.wrap = small(), wrap

    def forward(self, pictures: Tensor) -> object:
        return self.wrap(self.inner(pictures))


@pytest.mark.parametrize(
    ("network", "about", "message"),
    [
        (small().half(), About(), "its weights are torch.float16"),
        (small().bfloat16(), About(), "its weights are torch.bfloat16"),
        (small().double(), About(), "its weights are torch.float64"),
        (nn.Conv2d(5, 2, 1), About(), r"it fails on pictures \(3, 3, 2, 2\): RuntimeError"),
        (Wrapped(lambda scores: (scores, scores)), About(), "it returns a tuple"),
        (Wrapped(lambda scores: {"out": scores}), About(), "it returns a dict"),
        (Wrapped(lambda scores: scores[:, :, None]), About(), r"it returns \(3, 2, 1\) for 3 pictures"),
        (Wrapped(lambda scores: scores.sum()), About(), r"it returns \(\) for 3 pictures"),
        (Wrapped(lambda scores: scores / 0), About(), "its scores are infinite"),
        ("a network", About(), "a str is no torch module"),
        (small(), About(mean=(0.5,), std=(1.0,) * 3), r"About\(mean\) has 1 entries for 3 channels"),
        (small(), About(mean=(0.5,) * 3, std=(1.0,) * 2), r"About\(std\) has 2 entries for 3 channels"),
        (small(), About(std=(1.0, 0.0, 1.0)), r"About\(std\) holds 0"),
        (small(), About(classes=("a", "b", "c")), r"About\(classes\) has 3 entries for 2 scores"),
        (small(), About(facts={"a": {1}}), r"About\(facts\) cannot be written as JSON"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, network: Any, about: About, message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        export(network, tmp_path / "out", PICTURES, about=about)
    assert "\n" not in str(refusal.value) and list(tmp_path.iterdir()) == []


def test_pictures_that_are_missing_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no pictures are given, .*; give a batch .* torch\.zeros\(1, 3, 32, 32\)"):
        export(small(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_readme_says_what_may_be_missing_for_training(tmp_path: Path) -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small()

        def forward(self, pictures: Tensor) -> Tensor:
            return torch.nn.functional.dropout(self.inner(pictures), 0.5, self.training)

    export(Dropping(), tmp_path / "out", PICTURES)
    text = (tmp_path / "out" / "README.md").read_text()
    assert "It can be trained further." in text and "dropout and stochastic depth may be missing: add them" in text
    again = exporting.rebuilt(tmp_path / "out").train()
    assert torch.equal(again(PICTURES), again(PICTURES)), "the dropout of the forward pass is missing indeed"


@pytest.mark.parametrize("pictures", [torch.zeros(3, 2, 2), [1]])
def test_pictures_are_a_batch(tmp_path: Path, pictures: Any) -> None:
    with pytest.raises(UserError, match=r"pictures are .*; give a tensor \(n, channels, height, width\)"):
        export(small(), tmp_path / "out", pictures)


def test_a_title_cannot_end_the_docstring(tmp_path: Path) -> None:
    title = '"""\nimport os\\'
    export(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), tmp_path / "o", torch.zeros(1, 3, 2, 2), about=About(title))
    first = compile((tmp_path / "o" / "network.py").read_text(), "network.py", "exec")
    assert first.co_names[0] != "os"
    assert "'''\nimport os/" in str(first.co_consts[0])


@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs the extra onnx")
def test_onnx_gives_the_same_scores_for_any_number_of_pictures(tmp_path: Path) -> None:
    network = halved("resnet20", 16)
    export(network, tmp_path / "out", torch.zeros(1, 3, 16, 16), onnx=True)
    running = session((tmp_path / "out" / "network.onnx").read_bytes())
    for count in (1, 7):
        given = torch.randn(count, 3, 16, 16)
        (found,) = running.run(None, {"pictures": given.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(found), network(given), rtol=1e-4, atol=1e-4)
