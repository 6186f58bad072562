import math

import pytest
import torch

from prunebench.criteria.l0 import CRITERION
from prunebench.errors import CellError, UserError
from prunebench.scoring.score import score
from prunebench.testing import toys
from prunebench.training.gates import Gates


def test_the_score_is_the_open_probability_once_for_a_coupled_group() -> None:
    network = toys.residual()
    scores = score(CRITERION, network, [], torch.Generator())
    log_alpha = network.gates["stem"].double()
    expected = 1 / (1 + (-(log_alpha - 2 / 3 * math.log(0.1 / 1.1))).exp())  # eq. 12 by hand
    assert torch.allclose(scores["stem"], expected)


def test_open_gates_do_not_tie() -> None:
    network = toys.chain()
    network.gates["0"] = torch.tensor([5.0, 6.0, 7.0, 8.0, 19.0, 20.0])  # all have a test-time gate of 1
    assert score(CRITERION, network, [], torch.Generator())["0"].unique().numel() == 6


def test_it_brings_gates_and_needs_them() -> None:
    assert isinstance(CRITERION.regulariser, Gates)
    assert CRITERION.needs == frozenset()
    network = toys.chain()
    network.gates.clear()
    with pytest.raises(CellError, match="a score of `gate` needs sparse training with gates"):
        score(CRITERION, network, [], torch.Generator())


def test_options_of_the_gates() -> None:
    changed = CRITERION.with_options({"strength": "1e-2", "droprate": "0.2"})
    assert changed.regulariser == Gates(strength=0.01, droprate=0.2)
    assert changed.label == "l0:droprate=0.2,strength=0.01"
    for rate in ("0", "1"):
        with pytest.raises(UserError, match=rf"option droprate={rate} of 'l0' must be (more|less) than {rate}"):
            CRITERION.with_options({"droprate": rate})
