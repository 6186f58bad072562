"""Objects become plugins with names."""

import pytest
import torch
from torch import Tensor, nn

from prunebench import Criterion, UserError
from prunebench.calls.own import Own
from prunebench.plugins.registry import get_criterion, load_registry
from prunebench.study.spec import Spec


def spread(weight: Tensor) -> Tensor:
    return weight.std(dim=1)


@pytest.fixture
def own() -> Own:
    return Own(load_registry(()))


def test_names_stay_and_objects_get_theirs(own: Own) -> None:
    assert own.criteria(["taylor", spread]) == ("taylor", "spread")
    assert own.criteria({"mine": spread}) == ("mine",)
    assert own.models(nn.Sequential(nn.Linear(2, 2))) == ("Sequential",)
    assert own.datasets((torch.rand(40, 1, 8, 8), torch.arange(40) % 2)) == ("pictures",)
    assert [plugin.name for plugin in own.plugins] == ["spread", "mine", "Sequential", "pictures"]


def test_a_registered_record_is_known_by_its_label(own: Own) -> None:
    record = get_criterion("magnitude:p=1", own.known)
    assert own.criteria(record) == ("magnitude:p=1",) and not own.plugins
    assert own.criteria(Criterion(spread, name="magnitude")) == ("magnitude",) and len(own.plugins) == 1


def test_the_argument_is_named(own: Own) -> None:
    with pytest.raises(UserError, match=r"^criterion: a NoneType; give a name, a Criterion"):
        own.criteria(None, "criterion")
    with pytest.raises(UserError, match=r"^model: an int; give a name"):
        own.models(3, "model")


def test_workers_get_only_what_can_be_handed_over(own: Own) -> None:
    own.criteria({"mine": lambda weight: weight.sum(1)})
    own.check_workers(Spec())
    for name, value in {"workers": 2, "cell_timeout": 9, "engine": "ray"}.items():
        with pytest.raises(
            UserError,
            match=rf"^{name}={value}: 'mine' cannot be handed over .*in place of the lambda, or leave {name} ",
        ):
            own.check_workers(Spec.model_validate({name: value}))
