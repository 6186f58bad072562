import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from prunebench.datasets import digits
from prunebench.datasets.digits import DATASET
from prunebench.plugins.dataset import Source

LOADED = DATASET.load(Source(Path("unused")))


def test_shapes_and_range() -> None:
    assert (len(LOADED.train), len(LOADED.test), LOADED.shape) == (1437, 360, (1, 8, 8))
    assert (LOADED.train.images.dtype, int(LOADED.train.images.max())) == (torch.uint8, 255)
    assert LOADED.classes == tuple("0123456789")


def test_the_splits_together_are_scikit_learns_pictures_each_once() -> None:
    data = load_digits()
    images = torch.cat([LOADED.train.images, LOADED.test.images])[:, 0].numpy()
    levels = np.rint(images / 255 * 16).astype(np.int64)
    labels = torch.cat([LOADED.train.labels, LOADED.test.labels]).numpy()
    ours = sorted(zip(labels, levels.reshape(-1, 64).tolist(), strict=True))
    assert ours == sorted(zip(data.target, data.images.astype(np.int64).reshape(-1, 64).tolist(), strict=True))


def test_the_test_split_is_stratified_and_always_the_same() -> None:
    assert LOADED.test.labels.bincount().tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
    assert LOADED.fingerprint() == DATASET.load(Source(Path("elsewhere"))).fingerprint() == "0249b0feb5c62b9e"


def test_moments_are_those_of_the_training_pictures() -> None:
    scaled = LOADED.train.images.double() / 255
    torch.testing.assert_close(torch.tensor(LOADED.mean), scaled.mean().float().view(1))
    torch.testing.assert_close(torch.tensor(LOADED.std), scaled.std(correction=0).float().view(1))


def test_scikit_learn_is_imported_only_where_its_file_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(digits, "find_spec", lambda name: None)
        assert DATASET.load(Source(Path("unused"))).fingerprint() == LOADED.fingerprint()
    code = "import sys; from prunebench.datasets.digits import _table; _table(); sys.exit('sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
