"""Tensors that are no plain finite numbers, in both kinds of files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from prunebench.checkpoints.loading import load_checkpoint
from prunebench.errors import UserError

KEY = "0.weight"


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return network().state_dict()


def refusal(path: Path) -> str:
    model = network()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_checkpoint(model, path, "mine")
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def quantised() -> Tensor:
    return torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8)


@pytest.mark.filterwarnings("ignore:.*quantize", "ignore:TypedStorage")  # of torch, when making what is refused
@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("sparse", torch.eye(2).to_sparse),
        ("quantised", quantised),
        ("meta", lambda: torch.empty(2, 2, device="meta")),
        ("complex", lambda: torch.eye(2, dtype=torch.complex64)),
    ],
)
def test_tensors_without_plain_numbers(
    kind: str, make: Callable[[], Tensor], state: dict[str, Tensor], tmp_path: Path
) -> None:
    tensor = make()
    torch.save(state | {KEY: tensor}, tmp_path / "w.pt")
    assert f"'0.weight' is a {kind} tensor; save plain dense numbers" in refusal(tmp_path / "w.pt")
    parts = {key: value for key, value in state.items() if key != KEY}
    torch.save(parts | {"0.weight_orig": tensor, "0.weight_mask": torch.ones(2, 2)}, tmp_path / "w.pt")
    assert f"'0.weight_orig' is a {kind} tensor" in refusal(tmp_path / "w.pt")


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize(
    ("key", "tensor", "message"),
    [
        (KEY, torch.ones(2, 2, dtype=torch.int8), "'0.weight' is int8, the network needs float32"),
        (KEY, torch.ones(2, 2, dtype=torch.bool), "'0.weight' is bool, the network needs float32"),
        (KEY, torch.tensor([[1, 2], [3, torch.nan]]), "'0.weight' has numbers that are nan or infinite"),
        (KEY, torch.full((2, 2), torch.inf), "'0.weight' has numbers that are nan or infinite"),
        (KEY, torch.full((2, 2), 1e300, dtype=torch.float64), "'0.weight' has numbers that are nan or infinite"),
        ("1.running_var", torch.tensor([1.0, -1.0]), "'1.running_var' has variances below zero"),
    ],
)
def test_numbers_of_another_kind(
    suffix: str, key: str, tensor: Tensor, message: str, state: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / f"w.{suffix}"
    (torch.save if suffix == "pt" else save_file)(state | {key: tensor}, path)  # type: ignore[operator]
    assert message in refusal(path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_other_precisions_become_the_networks_own(dtype: torch.dtype, state: dict[str, Tensor], tmp_path: Path) -> None:
    model = network()
    state["1.num_batches_tracked"] += 70_000  # infinite as float16
    torch.save({key: tensor.to(dtype) for key, tensor in state.items()}, tmp_path / "w.pt")
    load_checkpoint(model, tmp_path / "w.pt", "mine")
    for key, tensor in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(tensor, state[key].to(dtype).float())


def test_a_file_whose_header_lies(state: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(content.replace(b"F32", b"F64"))
    assert "cannot be read as a checkpoint" in refusal(tmp_path / "w.safetensors")
