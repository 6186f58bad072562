"""`compile` is not tried here: it takes a quarter of a minute a network."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from prunebench.errors import UserError
from prunebench.exporting import onnx_file
from prunebench.timing import backends
from prunebench.timing.backends import runner


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.9), nn.Flatten(), nn.Linear(288, 4)
    )


EXAMPLE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("backend", ["eager", "channels_last"])
def test_the_network_runs_in_eval_mode_and_stays_as_it_is(backend: str) -> None:
    model = network()
    call = runner(model, EXAMPLE, backend)
    one, other = call(), call()
    assert model.training
    with torch.no_grad():
        expected = model.eval()(EXAMPLE)
    assert isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)
    torch.testing.assert_close(one, expected)
    assert torch.equal(one, other)
    assert not one.requires_grad


def test_onnx_gives_the_same_numbers() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = network()
    (given,) = runner(model, EXAMPLE, "onnx")()  # type: ignore[misc]
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(given), model.eval()(EXAMPLE), rtol=1e-4, atol=1e-5)


def test_openvino_gives_the_same_numbers_with_the_threads_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino")
    pytest.importorskip("onnxscript")
    compiled: list[Any] = []
    original = openvino.Core.compile_model

    def compile_model(*given: Any) -> Any:
        compiled.append(original(*given))
        return compiled[-1]

    monkeypatch.setattr(openvino.Core, "compile_model", compile_model)
    model = network()
    given = runner(model, EXAMPLE, "openvino")()
    assert isinstance(given, Mapping)
    with torch.no_grad():
        expected = model.eval()(EXAMPLE)
    torch.testing.assert_close(torch.from_numpy(given[0]), expected, rtol=1e-4, atol=1e-4)
    assert compiled[0].get_property("INFERENCE_NUM_THREADS") == torch.get_num_threads()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(UserError, match=r"onnxruntime is not installed; pip install 'prunebench\[onnx\]'"):
        runner(network(), EXAMPLE, "onnx")
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "openvino" else object())
    with pytest.raises(UserError, match=r"^--backend openvino: openvino is .* pip install 'prunebench\[openvino\]'$"):
        runner(network(), EXAMPLE, "openvino")
    with pytest.raises(UserError, match="openvino is not installed"):
        backends.check_backend("openvino")
    backends.check_backend("eager")
