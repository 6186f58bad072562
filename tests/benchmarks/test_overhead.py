from types import SimpleNamespace
from typing import Any

import torch
from torchvision.models import mobilenet_v2

from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import costs, count
from tests.conftest import load_script


def test_what_is_timed_prunes_to_half_of_the_macs() -> None:
    overhead, pictures = load_script("benchmarks/test_overhead.py"), torch.randn(1, 3, 32, 32)
    model = mobilenet_v2(weights=None, width_mult=0.25).eval()
    network = overhead.prune(model, lambda: analyse(model, pictures))
    dense = costs(model, network.table).dense.macs
    assert 0.45 < count(network).macs / dense <= 0.5
    overhead.prune_by_theirs(model, pictures, 0.5)
    assert model.features[0][0].out_channels == 4  # of 8


def test_overhead_benchmarks_need_no_cell_of_the_grid() -> None:
    conftest = load_script("benchmarks/conftest.py")
    trained: list[Any] = []
    compared: list[Any] = []
    looked: list[Any] = []
    entry = SimpleNamespace(record_wanted=True)
    bench = SimpleNamespace(
        entries={"a": entry},
        scores={"s": "job"},
        train=trained.extend,
        compare=compared.extend,
        tidy=lambda: None,
        look_at_machine=looked.append,
    )
    manager = SimpleNamespace(global_and_fixture_disabled=torch.no_grad)  # any context will do
    config = SimpleNamespace(
        stash={conftest.BENCH: bench},
        option=SimpleNamespace(collectonly=False),
        pluginmanager=SimpleNamespace(getplugin=lambda _: manager),
    )
    chosen = ({"name": "x"}, {"cell": "a"}, {"scored": "s"})
    items = [SimpleNamespace(callspec=SimpleNamespace(params=params)) for params in chosen]
    loop = conftest.pytest_runtestloop(SimpleNamespace(config=config, items=items))
    next(loop)
    assert (trained, compared, looked) == ([entry], ["job"], [entry])
