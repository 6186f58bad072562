"""APoZ against a count of zeros picture by picture."""

import torch
from torch import Tensor, nn

from prunebench.criteria.apoz import CRITERION, apoz
from prunebench.scoring.score import score
from prunebench.testing import toys


def pictures() -> Tensor:
    return torch.cat([pictures for pictures, _ in toys.batches()])


@torch.no_grad()
def test_it_is_one_minus_the_share_of_zeros_after_relu() -> None:
    network = toys.chain()
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    scores = score(CRITERION, network, toys.batches(), torch.Generator())
    for layer, tail in (("0", 2), ("2", 5), ("6", 8)):
        maps = model[:tail](pictures()).flatten(2) if tail < 8 else model[:tail](pictures())
        for unit in range(network.units[layer]):
            values = maps[:, unit].flatten().tolist()
            expected = 1 - sum(value == 0 for value in values) / len(values)
            assert abs(float(scores[layer][unit]) - expected) < 1e-12
        assert len(set(scores[layer].tolist())) > 1


@torch.no_grad()
def test_of_a_layer_that_writes_to_a_stream_it_counts_the_stream_behind_the_addition() -> None:
    network = toys.residual()
    model = network.model.eval()
    stream = torch.relu(model.bn1(model.stem(pictures())))  # type: ignore[operator]
    inner = torch.relu(model.bn2(model.conv(stream)) + stream)  # type: ignore[operator]
    active = [(maps > 0).double().mean((0, 2, 3)) for maps in (stream, inner)]
    scores = score(CRITERION, network, toys.batches(), torch.Generator())["stem"]
    torch.testing.assert_close(scores, (active[0] + active[1]) / 2)
    assert active[1].lt(1).all()


def test_a_silent_unit_has_the_lowest_score() -> None:
    assert apoz(torch.tensor([[0.0, 1e-9], [0.0, 5.0]])).tolist() == [0.0, 1.0]
