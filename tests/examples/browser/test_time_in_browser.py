"""The page in a real browser; needs Chromium, and onnxruntime-web in npm's folder or the folder ONNXRUNTIME_WEB."""

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import prunebench
from tests.conftest import load_script

FOLDER = Path(__file__).parents[3] / "examples" / "browser"
WEB = Path(os.environ.get("ONNXRUNTIME_WEB") or FOLDER / "node_modules" / "onnxruntime-web")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("examples/browser/time_in_browser.py")


def network(width: int) -> nn.Module:
    torch.manual_seed(width)
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(width, width, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4)).eval()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, script: ModuleType) -> Path:
    """Make a folder with the page, two exported networks and a picture; skip where a program is missing."""
    if not script.browser():
        pytest.skip("no Chromium on this machine")
    if not (WEB / "dist").is_dir():
        pytest.skip("no onnxruntime-web: npm install onnxruntime-web in examples/browser, or set ONNXRUNTIME_WEB")
    if importlib.util.find_spec("onnxscript") is None:
        pytest.skip("the extra onnx is not installed")
    place = tmp_path_factory.mktemp("browser")
    shutil.copy(FOLDER / "index.html", place)
    (place / "node_modules").mkdir()
    (place / "node_modules" / "onnxruntime-web").symlink_to(WEB.resolve())
    for name, width in (("dense", 64), ("pruned", 8)):
        prunebench.export(network(width), place / name, torch.zeros(1, 3, 16, 16), onnx=True)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(place / "picture.png")
    return place


@pytest.fixture(scope="module")
def answer(page: Path, script: ModuleType) -> dict[str, Any]:
    found: dict[str, Any] = script.run(page, page / "picture.png", runs=3)
    return found


def test_the_browser_gives_the_scores_of_torch(page: Path, answer: dict[str, Any]) -> None:
    pixels = torch.from_numpy(np.array(Image.open(page / "picture.png"))).permute(2, 0, 1)[None]
    for found, width in zip(answer["networks"], (64, 8), strict=True):
        code = importlib.util.spec_from_file_location("exported", page / found["network"] / "network.py")
        assert code is not None and code.loader is not None
        module = importlib.util.module_from_spec(code)
        code.loader.exec_module(module)
        with torch.no_grad():
            expected = network(width)(module.prepare(pixels))[0]
        assert found["logits"] == pytest.approx(expected.tolist(), abs=1e-4)
        assert int(found["class"]) == int(expected.argmax())
        assert found["bytes"] == (page / found["network"] / "network.onnx").stat().st_size


def test_both_are_timed_in_pairs(answer: dict[str, Any]) -> None:
    assert len(answer["ratios"]) == 3 and all(ratio > 0 for ratio in answer["ratios"])
    dense, pruned = (found["milliseconds"] for found in answer["networks"])
    assert dense > 0 and pruned > 0
    assert all(0 < found["fastest"] <= found["milliseconds"] for found in answer["networks"])


def test_a_page_that_fails_says_why(page: Path, script: ModuleType, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(page, broken, symlinks=True)
    (broken / "pruned" / "network.onnx").write_bytes(b"no network")
    with pytest.raises(RuntimeError, match="the page failed: "):
        script.run(broken, page / "picture.png", runs=1)


def test_what_is_missing_is_named(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match=r"has no node_modules/onnxruntime-web and no dense/network\.onnx and no"):
        script.run(tmp_path, tmp_path / "picture.png")
    for name in script.NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "no Chromium" in script.missing(tmp_path)
    monkeypatch.setattr(script, "HERE", tmp_path)
    assert script.main([str(tmp_path / "picture.png")]) == 1
    assert "no Chromium" in capsys.readouterr().err
    assert script.main([]) == 2
    assert "python time_in_browser.py" in capsys.readouterr().out
