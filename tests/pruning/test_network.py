import torch

from prunebench.pruning.network import Group, Table
from prunebench.testing import toys


def test_a_group_is_coupled_if_several_layers_write_it_a_depthwise_one_not_counted() -> None:
    for make, coupled in ((toys.chain, False), (toys.depthwise, False), (toys.residual, True), (toys.grouped, False)):
        table = make().table
        assert table.coupled(table.groups[0]) is coupled
    two = Group("a", 2, ("a", "b"), ())  # whatever groups a convolution has: only a depthwise one passes units on
    assert Table((two,), {}).coupled(two) and not Table((two,), {}, depthwise={"b": ""}).coupled(two)


def test_values_of_a_group_go_to_all_its_layers() -> None:
    values = toys.grouped().by_layer({"2": torch.tensor([5.0, 7.0, 9.0], dtype=torch.float64)})
    assert {name: layer.tolist() for name, layer in values.items()} == {"2": [5.0, 7.0, 9.0, 5.0, 7.0, 9.0]}
