"""Scoring keeps nothing from batch to batch: its memory does not grow with the calibration set."""

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import sys
import torch
from prunebench.study.environment import peak_memory
from prunebench.pruning.network import Network
from prunebench.plugins.registry import get_criterion, get_model, load_registry
from prunebench.scoring.score import score
from prunebench.pruning.analysis import analyse

torch.set_num_threads(1)
model = get_model("vgg11_bn:width=0.5", load_registry(()))(3, 32, 10)
network = Network.dense(model, analyse(model, torch.randn(2, 3, 32, 32), check=False))
draws = torch.Generator().manual_seed(0)
pictures, labels = torch.randn(32, 3, 32, 32, generator=draws), torch.randint(0, 10, (32,), generator=draws)
before = peak_memory("cpu")
score(get_criterion(sys.argv[1], load_registry(())), network, [(pictures, labels)] * int(sys.argv[2]), draws)
print(before, peak_memory("cpu"))
"""


def peak(criterion: str, batches: int) -> tuple[int, int]:
    command = [sys.executable, "-c", PROBE, criterion, str(batches)]
    before, after = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(before), int(after)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the memory of this process alone")
@pytest.mark.parametrize("criterion", ["obd", "taylor_activation"])
def test_four_times_the_batches_need_no_more_memory(criterion: str) -> None:
    before, few = peak(criterion, 3)
    _, many = peak(criterion, 12)
    assert few > before
    assert many <= 1.1 * few
    assert many - few <= few - before  # kept activations of nine more batches would be several times this
