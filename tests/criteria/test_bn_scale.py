import torch

from prunebench.criteria.bn_scale import CRITERION, bn_scale
from prunebench.criteria.magnitude import magnitude
from prunebench.scoring.score import score
from prunebench.testing import toys


def test_it_is_the_absolute_factor_summed_over_a_coupled_group() -> None:
    network = toys.residual()
    scores = score(CRITERION, network, [], torch.Generator())["stem"]
    first, second = (network.layer(name).get_parameter("weight").detach() for name in ("bn1", "bn2"))
    assert first.ne(second).any()
    assert scores.tolist() == (first.abs() + second.abs()).tolist()


def test_the_sign_does_not_count() -> None:
    assert bn_scale(torch.tensor([-2.0, 1.0]), torch.zeros(2, 1)).tolist() == [2.0, 1.0]


def test_layers_without_batchnorm_are_ranked_by_their_norm() -> None:
    network = toys.chain()
    scores = score(CRITERION, network, [], torch.Generator())
    for layer in ("0", "6"):
        weight = network.layer(layer).get_parameter("weight").detach().flatten(1)
        assert torch.equal(scores[layer], magnitude(weight))
    assert torch.equal(scores["2"], network.layer("3").get_parameter("weight").detach())


def test_so_are_those_whose_batchnorm_was_never_trained() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert bn_scale(torch.ones(2), weight).tolist() == [5.0, 1.0]
    assert bn_scale(torch.tensor([1.0, 0.5]), weight).tolist() == [1.0, 0.5]
