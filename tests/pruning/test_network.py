import torch

from prunebench.pruning.network import Group, Table
from prunebench.pruning.removal import remove
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


def test_a_view_of_some_groups_shares_the_model_and_keeps_positions() -> None:
    whole = toys.chain()
    whole.gates["2"] = torch.zeros(4)
    small = remove(whole, {"2": torch.tensor([1])})
    view = small.among({"2"})
    assert view.model is small.model and view.gates is small.gates and set(view.kept) == {"2"}
    (group,) = view.table.groups
    assert view.positions(group, "6", "in").tolist() == small.positions(group, "6", "in").tolist()
