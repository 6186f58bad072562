"""What is read from a file, and what is refused because it could run code."""

import argparse
import os
import re
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from prunebench.checkpoints.reading import read_tensors
from prunebench.errors import UserError

TENSOR = torch.arange(3.0)
HOMES = (b"numpy._core", b"numpy.core") if np.__version__ >= "2" else (b"numpy.core", b"numpy._core")


class Runs:
    """Pickles to a call, which must not happen."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    "beside",
    [
        np.float64(91.25),
        np.float32(1),
        np.int64(3),
        np.bool_(True),
        np.array(["a", "b"]),
        argparse.Namespace(lr=0.1, data=Path("x"), widths=[1, 2]),
        defaultdict(dict, {"a": {"b": 1}}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_scores_and_arguments_beside_the_tensors(beside: Any, tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    torch.save({"epoch": 3, "best": beside, "state_dict": {"w": TENSOR}}, tmp_path / "w.pt")
    assert read_tensors(tmp_path / "w.pt").keys() == {"state_dict.w"}
    assert set(torch.serialization.get_safe_globals()) == before


def test_files_of_another_numpy(tmp_path: Path) -> None:
    torch.save({"best": np.float64(1), "w": TENSOR}, tmp_path / "new.pt")
    old = tmp_path / "old.pt"
    with zipfile.ZipFile(tmp_path / "new.pt") as given, zipfile.ZipFile(old, "w") as written:
        for name in given.namelist():
            content = given.read(name)
            written.writestr(name, content.replace(*HOMES) if name.endswith("data.pkl") else content)
    for file in (old, tmp_path / "new.pt"):
        assert torch.equal(read_tensors(file)["w"], TENSOR)


@pytest.mark.parametrize(
    "content",
    [
        Runs(os.system, "touch ran"),
        Runs(eval, "open('ran', 'w')"),
        Runs(getattr, "text", "upper"),
        nn.Sequential(nn.ReLU()),
    ],
    ids=["system", "eval", "getattr", "network"],
)
def test_what_could_run_code_is_refused(content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"w": TENSOR}, "more": content}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"holds pickled objects \([\w.]+\), which are refused as they can run code"):
        read_tensors(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


def test_a_dict_that_holds_itself_ends(tmp_path: Path) -> None:
    content: dict[str, Any] = {"w": TENSOR}
    content["again"] = content
    torch.save(content, tmp_path / "w.pt")
    assert "w" in read_tensors(tmp_path / "w.pt")


def test_arrays_are_tensors_and_archives_of_code_are_refused(tmp_path: Path) -> None:
    torch.save({"w": np.arange(3.0), "names": np.array(["a"])}, tmp_path / "w.pt")
    assert {key: value.tolist() for key, value in read_tensors(tmp_path / "w.pt").items()} == {"w": [0, 1, 2]}
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:  # as torch.jit.save writes it, in outline
        for name in ("data.pkl", "constants.pkl", "version"):
            archive.writestr(f"script/{name}", "3")
    with pytest.raises(UserError, match="is a TorchScript archive, which holds code; save model"):
        read_tensors(tmp_path / "script.pt")


def test_an_old_file_whose_storages_have_other_keys_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"a": TENSOR}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    keys = [found.start() for found in re.finditer(str(TENSOR.untyped_storage()._cdata).encode(), content)]
    assert len(keys) == 2  # where the tensor is described, and in the list behind it
    place = keys[0]
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(UserError, match=r"old\.pth: cannot be read as a checkpoint: .* truncated"):
        read_tensors(path)


def test_a_dtype_given_a_state_that_is_none_is_refused(tmp_path: Path) -> None:
    """numpy raises a `SystemError` for it."""
    path = tmp_path / "odd.pth"
    path.write_bytes(b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f4K\x00K\x01\x87RK\x05b.")
    with pytest.raises(UserError, match=r"odd\.pth: cannot be read as a checkpoint: "):
        read_tensors(path)
