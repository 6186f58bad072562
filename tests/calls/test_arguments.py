"""Wrong types of all plain arguments: one clear line that names the argument."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from prunebench import Results, UserError, prune, run
from prunebench.calls.arguments import check_options, read_seeds

ODD: tuple[Any, ...] = ("", "a", 1.5, -1, True, [], {}, b"x", object, float("nan"))
PICTURES = torch.rand(40, 1, 8, 8), torch.arange(40) % 2


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2))


def refused(name: str, call: Any) -> None:
    with pytest.raises(UserError) as found:
        call()
    text = str(found.value)
    assert text.startswith(name) and "\n" not in text and "--" not in text


@pytest.mark.parametrize("given", (*ODD, None), ids=repr)
def test_a_seed_and_a_shape_are_whole_numbers(given: Any) -> None:
    refused("seed=", lambda: prune(network(), PICTURES, keep={"macs": 0.5}, seed=given))
    if given is not None:
        refused("shape=", lambda: prune(network(), shape=given, keep={"macs": 0.5}))
        refused("seeds=", lambda: run(models=network(), datasets=PICTURES, seeds=given, quiet=True))


@pytest.mark.parametrize("given", [1.5, -1, True, {}, b"x", object, float("nan"), [1]], ids=repr)
def test_paths_and_files_are_texts(given: Any, tmp_path: Path) -> None:
    refused("plugin=", lambda: prune(network(), PICTURES, keep={"macs": 0.5}, plugin=given))
    refused("plugin=", lambda: run(models=network(), datasets=PICTURES, plugin=given, quiet=True))
    refused("plugin=", lambda: Results.read(tmp_path, plugin=given))
    refused("results=", lambda: run(models=network(), datasets=PICTURES, results=given, quiet=True))
    refused("config=", lambda: run(models=network(), datasets=PICTURES, config=given, quiet=True))
    refused("folder=", lambda: Results.read(given))


@pytest.mark.parametrize("given", [*(one for one in ODD if one is not True), None, 0], ids=repr)
def test_switches_are_true_or_false(given: Any) -> None:
    refused("quiet=", lambda: run(models=network(), datasets=PICTURES, quiet=given))
    refused("dry_run=", lambda: run(models=network(), datasets=PICTURES, quiet=True, dry_run=given))


@pytest.mark.parametrize("given", [None, "", 1.5, -1, True, [], {}, float("nan"), b"x"], ids=repr)
def test_what_is_no_criterion_is_named_as_the_argument(given: Any) -> None:
    with pytest.raises(UserError, match="criterion") as found:
        prune(network(), PICTURES, criterion=given, keep={"macs": 0.5})
    assert "criteria:" not in str(found.value)


def test_emptiness_and_truth_are_no_values() -> None:
    for given, message in (
        ({"epochs": []}, r"epochs=\[\]: empty; leave epochs out"),
        ({"ranking": ""}, "ranking='': empty"),
        ({"calibration": True}, "calibration=True: not for a truth value"),
    ):
        with pytest.raises(UserError, match=message):
            check_options(given)
    check_options({"coupled": False, "weights": "", "epochs": None, "floor": 0})


def test_numbers_of_numpy_are_numbers() -> None:
    assert read_seeds(np.arange(3)) == "0,1,2"
