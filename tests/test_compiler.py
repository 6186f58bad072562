"""Tests of a compiler that is imported at its first use. Each runs in a process of its own."""

import subprocess
import sys

import pytest

LATE = """
import sys
from prunebench.compiler import put_off
put_off()
import torch, torchvision
from torch.utils.flop_counter import FlopCounterMode
layer = torch.nn.Linear(3, 2)
for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
    optimiser = kind(layer.parameters(), lr=0.1)
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    optimiser.zero_grad()
with FlopCounterMode(display=False) as flops:
    layer(torch.ones(1, 3))
assert flops.get_total_flops() == 12
noted = torch.optim.Optimizer.zero_grad.__wrapped__
assert noted.__dynamo_disable is noted
assert "torch._dynamo.convert_frame" not in sys.modules
"""
USES = {
    "compile": "assert torch.equal(torch.compile(layer, backend='eager')(torch.ones(1, 3)), layer(torch.ones(1, 3)))",
    "module": "import torch._dynamo.config as used; assert used is torch._dynamo.config; used.cache_size_limit",
    "import from": "from torch._dynamo.exc import counters as used; assert used is torch._dynamo.utils.counters",
    "utils": "import torch._dynamo.utils; from torch._dynamo import utils; assert utils.counters is not None",
    "torchvision": "assert torchvision.ops.roi_align.__globals__['is_compile_supported']('cpu') in (True, False)",
    "disable": "assert torch.compiler.disable(lambda: 3)() == 3",
}
AFTER = """
import inspect, torch._dynamo, torch._dynamo.config, torch._dynamo.exc, torch._dynamo.utils
assert "torch._dynamo.convert_frame" in sys.modules
assert torch._dynamo.utils.counters is torch._dynamo.exc.counters, "loaded twice"
for module in (torch._dynamo, torch._dynamo.config, torch._dynamo.utils):
    assert module.__spec__.name == module.__name__ and module.__spec__.origin == inspect.getfile(module)
    assert sys.modules[module.__name__] is module
assert not hasattr(noted, "__dynamo_disable"), "torch would never protect this function from the compiler"
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("use", [pytest.param(u, marks=() if u == "module" else pytest.mark.slow) for u in USES])
def test_the_compiler_is_imported_at_its_first_use_and_whole(use: str) -> None:
    run(f"{LATE}\n{USES[use]}\n{AFTER}")


@pytest.mark.slow
def test_an_imported_compiler_stays() -> None:
    run(
        "import sys, torch._dynamo\nbefore = dict(sys.modules)\nfrom prunebench.compiler import put_off\nput_off()\n"
        "assert all(sys.modules[name] is module for name, module in before.items())"
    )
