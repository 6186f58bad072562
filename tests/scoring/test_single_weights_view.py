import torch
from torch import Tensor, nn

from prunebench.pruning.analysis import analyse
from prunebench.pruning.masks import without
from prunebench.pruning.network import Network
from prunebench.scoring.single_weights import WeightView


def view() -> WeightView:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(Tensor([1.0, 2.0]).view(2, 1, 1, 1))
        model[2].weight.copy_(Tensor([[3.0, 4.0], [5.0, 6.0]]))
    network = Network.dense(model, analyse(model, torch.zeros(1, 1, 1, 1)))
    return WeightView.over(without(network, {"2": torch.tensor([1])}))


def test_every_layer_is_a_group_and_only_what_is_left_is_shown() -> None:
    seen = view()
    assert [group.name for group in seen.table.groups] == ["0", "2"]  # the classifier, too
    assert seen.kept_weights("0").tolist() == [1, 2] and seen.kept_weights("2").tolist() == [3, 5, 6]


def test_matrices_become_columns_and_biases_zeros() -> None:
    matrix = Tensor([[1.0, 2.0], [3.0, 4.0]])
    shown = view().show("2", {"grad": matrix, "bias_grad": Tensor([7.0, 8.0])})
    assert shown["grad"].tolist() == [[1], [3], [4]]
    assert shown["bias"].tolist() == shown["bias_grad"].tolist() == shown["bias_curvature"].tolist() == [0, 0, 0]
