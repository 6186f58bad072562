"""Where in a file the network's tensors are found."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from prunebench.checkpoints.names import check_names, find, notes
from prunebench.errors import UserError

FILE = Path("w.pt")
OWN = ("features.0.weight", "features.1.running_mean", "classifier.weight")
State = dict[str, Tensor]


def flat(prefix: str, start: int = 0) -> State:
    return {prefix + name: torch.tensor(start + i) for i, name in enumerate(OWN)}


def values(given: State, own: tuple[str, ...] = OWN) -> dict[str, int]:
    return {name: int(tensor) for name, tensor in find(given, own, own, FILE).state.items()}


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "state_dict.model.",
        "ema_state_dict.",
        "model_ema.module.",
        "x.",
    ],
)
def test_any_prefix(prefix: str) -> None:
    assert values(flat(prefix)) == dict(zip(OWN, range(3), strict=True))


def test_wrappers_inside_names() -> None:
    given = {name.replace("features.", "features.module."): tensor for name, tensor in flat("state_dict.").items()}
    assert values(given) == dict(zip(OWN, range(3), strict=True))
    own = ("module.0.weight", "module.1.weight")  # a network with this name itself
    assert values({"module.module.0.weight": torch.tensor(4), "module.module.1.weight": torch.tensor(5)}, own) == {
        "module.0.weight": 4,
        "module.1.weight": 5,
    }


def test_plain_weights_come_before_averaged_ones_and_this_is_said() -> None:
    given = flat("optimizer.state.", 30) | flat("state_dict_ema.", 10) | flat("state_dict.")
    found = find(given, OWN, OWN, FILE)
    assert (found.place, found.also) == ("state_dict.", ("state_dict_ema.", "optimizer.state."))
    assert notes(found) == ["read under state_dict; this fits as well: state_dict_ema, optimizer.state"]
    inside = flat("state_dict.model.") | flat("state_dict.model_ema.", 10)
    assert find(inside, OWN, OWN, FILE).place == "state_dict.model."
    assert values(flat("") | flat("ema.", 10)) == dict(zip(OWN, range(3), strict=True))


def test_two_networks_of_one_kind_are_refused() -> None:
    with pytest.raises(UserError, match="several networks that fit: student and teacher; save the state dict of one"):
        find(flat("student.") | flat("teacher."), OWN, OWN, FILE)
    partial = {name: tensor for name, tensor in flat("teacher.").items() if "classifier" not in name}
    assert find(partial | flat("student."), OWN, OWN, FILE).place == "student."


def test_what_lies_beside_the_network_is_said() -> None:
    given = flat("state_dict.model.") | {"state_dict.loss.weight": torch.ones(2), "state_dict.total_ops": torch.ones(1)}
    assert notes(find(given, OWN, OWN, FILE)) == ["read under state_dict.model; not read: state_dict.loss.weight"]
    assert notes(find(flat("state_dict."), OWN, OWN, FILE)) == []


def test_names_are_listed() -> None:
    check_names([], ["total_ops", "features.0.total_params", "n_averaged", "bn.num_batches_tracked"], FILE, "mine")
    with pytest.raises(UserError, match="another architecture than mine: missing: a; left over: b, c; give a check"):
        check_names(["a"], ["b", "c"], FILE, "mine")
    with pytest.raises(UserError, match=r"left over: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more;"):
        check_names([], [str(i) for i in range(10)], FILE, "mine")
    with pytest.raises(UserError, match=r"no running statistics of BatchNorm: missing: bn\.running_mean, bn"):
        check_names(["bn.running_mean", "bn.running_var"], [], FILE, "mine")
