"""Results are stored under the text that was run, whatever has become of its file meanwhile."""

import hashlib
import importlib
import importlib.util
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.errors import UserError
from prunebench.plugins import sources
from prunebench.plugins.discovery import code
from prunebench.plugins.identity import identity
from prunebench.plugins.registry import Registry, get_model

SCORE = """
from prunebench import Criterion

def mine(weight):
    return weight.norm(dim=1)

CRITERION = Criterion(mine)
"""
EDITED = SCORE.replace("norm(dim=1)", "sum(dim=1)")
HELPED = """
from {package} import helper
from prunebench import Criterion

def mine(weight):
    return helper.score(weight)

CRITERION = Criterion(mine)
"""
LATER = """
from prunebench import Criterion

def mine(weight):
    from {package} import helper
    return helper.score(weight)

CRITERION = Criterion(mine)
"""
HELPER = "def score(weight):\n    return weight.norm(dim=1)\n"
NAMES = ("beside", "helper", "mypackage", "mynets", "shop", "alone")
WEIGHT = torch.tensor([[3.0, 4.0]])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a working folder on Python's path, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sources, "_fixed", {})
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in NAMES]:
        del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def hashed(*texts: str) -> str:
    """Hash texts as they are hashed where they run."""
    return hashlib.sha256(b"".join(code(text.encode()) for text in texts)).hexdigest()[:16]


def described(plugin: Any) -> tuple[str, float]:
    return identity(plugin)["score"][1], plugin.score(WEIGHT).item()


def test_a_plugin_file_that_is_edited_before_its_first_key(folder: Path) -> None:
    path = write(folder / "alone.py", SCORE)
    plugin = Registry((str(path),)).criteria["mine"].plugin
    path.write_text(EDITED)
    assert described(plugin) == (hashed(SCORE), 5.0)
    again = Registry((str(path),)).criteria["mine"].plugin  # another registry runs the new text
    assert described(again) == (hashed(EDITED), 7.0)
    path.unlink()
    assert described(plugin) == (hashed(SCORE), 5.0)


def test_a_plugin_that_edits_its_own_file(folder: Path) -> None:
    text = f"{SCORE}\nfrom pathlib import Path\nPath(__file__).write_text({EDITED!r})\n"
    path = write(folder / "alone.py", text)
    plugin = Registry((str(path),)).criteria["mine"].plugin
    assert path.read_text() == EDITED
    assert described(plugin) == (hashed(text), 5.0)


@pytest.mark.parametrize("text", [HELPED, LATER], ids=["at import", "later"])
@pytest.mark.parametrize("place", ["mypackage.plugin", "plugin beside"])
def test_a_helper_that_is_edited(folder: Path, place: str, text: str) -> None:
    package = "mypackage" if place == "mypackage.plugin" else "beside"
    write(folder / package / "__init__.py", "")
    helper = write(folder / package / "helper.py", HELPER)
    plugin = place if package == "mypackage" else str(folder / "plugin.py")
    write(folder / "plugin.py" if package == "beside" else folder / package / "plugin.py", text.format(package=package))
    found = Registry((plugin,)).criteria["mine"].plugin
    if text == LATER:
        identity(found)  # fixes what will be imported
    helper.write_text(HELPER.replace("norm", "sum"))
    assert described(found) == (hashed(text.format(package=package), "", HELPER), 5.0)


def test_a_users_network_that_is_edited(folder: Path) -> None:
    nets = "from torch import nn\ndef net(channels, classes):\n    return nn.Linear({}, classes)\n"
    path = write(folder / "mynets.py", nets.format("channels"))
    model = get_model("mynets:net", Registry())
    stat = path.stat()
    path.write_text(nets.format("2 * chann"))  # of one size and, below, one time: the bytecode file would fit both
    os.utime(path, (stat.st_atime, stat.st_mtime))
    first = identity(model)
    del sys.modules["mynets"]
    edited = get_model("mynets:net", Registry())
    assert identity(edited) != first
    with pytest.raises(UserError, match="NameError"):
        edited(1, 1, 2)


def test_an_entry_point_that_is_edited(folder: Path) -> None:
    installed = folder / "site-packages"
    path = write(installed / "shop.py", SCORE)
    info = installed / "shop-1.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: shop\nVersion: 1\n")
    write(info / "entry_points.txt", "[prunebench.criteria]\na = shop\n")
    sys.path.insert(0, str(installed))
    importlib.invalidate_caches()
    try:
        plugin = Registry().criteria["mine"].plugin
    finally:
        sys.path.remove(str(installed))
    path.write_text(EDITED)
    assert described(plugin) == (hashed(SCORE), 5.0)


def test_built_in_criteria_are_kept_as_they_were_run() -> None:
    Registry()
    found = sources.source("prunebench.criteria.magnitude")
    assert found is not None and found.text == found.file.read_bytes()
    assert str(found.file) in sources.texts()


def test_a_worker_runs_the_texts_of_its_parent(folder: Path) -> None:
    path = write(folder / "alone.py", EDITED)
    sources.adopt({str(path): SCORE.encode()})
    assert described(Registry((str(path),)).criteria["mine"].plugin) == (hashed(SCORE), 5.0)


def test_a_worker_that_has_run_another_text_than_its_parent_says_so(folder: Path) -> None:
    path = write(folder / "alone.py", EDITED)
    criterion = importlib.import_module("alone").CRITERION  # as by the user's own script, before a worker begins
    sources.adopt({str(path): SCORE.encode()})
    with pytest.raises(UserError, match=r"alone.py was edited after it was imported"):
        identity(criterion)


def test_a_registry_remembers_the_texts_that_its_workers_must_run(folder: Path) -> None:
    path = write(folder / "alone.py", SCORE)
    registry = Registry((str(path),))
    path.write_text(EDITED)
    Registry((str(path),))
    assert registry.texts[str(path)] == SCORE.encode()
    assert sources.texts()[str(path)] == EDITED.encode()


@pytest.mark.parametrize("kept", [True, False], ids=["by the loader that keeps texts", "by Python's own"])
def test_code_that_is_no_longer_that_of_its_module_is_refused(folder: Path, kept: bool) -> None:
    path = write(folder / "alone.py", SCORE)
    spec = importlib.util.spec_from_file_location("alone", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["alone"] = module
    if kept:
        sources.run(module, path, SCORE.encode())
    else:
        spec.loader.exec_module(module)
    old = module.CRITERION
    path.write_text(f"# more\n{SCORE}")
    assert described(old)[1] == 5.0  # a comment changes no code
    path.write_text(EDITED)
    importlib.reload(module)
    assert described(module.CRITERION) == (hashed(EDITED), 7.0)
    with pytest.raises(UserError, match=r"alone.py was edited after it was imported, so results would be mixed up; s"):
        identity(old)


def test_a_file_that_was_edited_before_it_was_first_hashed_is_refused(folder: Path) -> None:
    path = write(folder / "alone.py", SCORE)
    spec = importlib.util.spec_from_file_location("alone", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["alone"] = module
    spec.loader.exec_module(module)
    path.write_text(EDITED)
    with pytest.raises(UserError, match="edited after it was imported"):
        identity(module.CRITERION)
