import pytest
from pydantic import ValidationError

from prunebench.records.protocol import Protocol


@pytest.mark.parametrize(
    ("keep", "rungs"), [(1.0, 0), (0.9, 0), (0.8, 0), (0.799, 1), (0.64, 1), (0.5, 3), (0.25, 6), (0.1, 10)]
)
def test_rungs_lie_strictly_above_the_keep(keep: float, rungs: int) -> None:
    # .8 .64 .512 .4096 .32768 .262144 .2097 .1678 .1342 .1074 .0859
    assert Protocol().rungs_above(keep) == rungs


def test_rungs_of_another_factor() -> None:
    assert Protocol(rung=0.5).rungs_above(0.25) == 1
    assert Protocol(rung=0.5).rung_keep(3) == 0.125


def test_epochs_after_the_dense_network() -> None:
    assert Protocol(sparse_epochs=4, rung_epochs=2, finetune_epochs=5).epochs_after(0.5) == 4 + 3 * 2 + 5


def test_rungs_of_equal_steps() -> None:
    steps = Protocol(rung_step=0.25)
    assert [steps.rungs_above(keep) for keep in (1.0, 0.75, 0.7, 0.5, 0.1)] == [0, 0, 1, 1, 3]
    assert [steps.rung_keep(number) for number in (1, 2, 3)] == [0.75, 0.5, 0.25]


@pytest.mark.parametrize("given", ["-1", -1, "1.5", "3,,1", "3,-1", "a", "", "1,٣"])
def test_epochs_that_are_no_numbers_are_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        Protocol.model_validate({"rung_epochs": given})


def test_one_list_of_epochs_is_written_in_one_way() -> None:
    given = ("2", 2, [2], "2,2", [2, 2])
    assert {Protocol.model_validate({"rung_epochs": epochs}).rung_epochs for epochs in given} == {2}
    assert Protocol.model_validate({"rung_epochs": [3, 1]}).rung_epochs == "3,1"
    assert not Protocol.model_validate({"rung_epochs": "0,0"}).rung_epochs


@pytest.mark.parametrize("name", ["rung", "train_fraction", "validation_fraction", "finetune_rate", "sparse_rate"])
def test_shares_of_zero_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Protocol.model_validate({name: 0})


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError):
        Protocol.model_validate({"epoch": 3})


def test_options_younger_than_results_stand_in_no_record_at_their_defaults() -> None:
    """Else reports would part old and new runs of one protocol."""
    younger = {"optimiser": "adam", "constant_rate": True, "rung_step": 0.1, "repair": "bias", "normalise_scores": "l2"}
    assert not younger.keys() & Protocol().facts().keys()
    assert younger.items() <= Protocol.model_validate(younger).facts().items()
