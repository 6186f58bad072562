import logging

import pytest

from prunebench import UserError
from prunebench.errors import CellError
from prunebench.words import in_python_words, python_words, typed


@pytest.mark.parametrize(
    ("typed_text", "expected"),
    [
        ("--seeds a: 'a' is not a whole number", "seeds='a': 'a' is not a whole number"),
        ("--rate -1: must be more than 0", "rate=-1: must be more than 0"),
        ("--results : empty", "results='': empty"),
        ("--keep macs=0.5,0.5: twice", 'keep={"macs": [0.5,0.5]}: twice'),
        ("keep macs=0.01 cannot be reached", 'keep={"macs": 0.01} cannot be reached'),
        ("at keep macs=0.5: no", 'at keep={"macs": 0.5}: no'),
        ("--keep weights=1e-07 cannot be reached", 'keep={"weights": 1e-07} cannot be reached'),
        ("--keep macs=a: not a list of numbers", "keep='macs=a': not a list of numbers"),
        ("all cost the same; give --ranking global", "all cost the same; give ranking='global'"),
        (
            "is missing: add --download, or give --data-root DIR",
            "is missing: add download=True, or give data_root='DIR'",
        ),
        ("give --frozen-epochs to train a classifier", "give frozen_epochs to train a classifier"),
        ("starts from random weights; give --weights FILE", "starts from random weights; give weights='FILE'"),
        ("raise --train-fraction or lower --validation-fraction", "raise train_fraction or lower validation_fraction"),
        ("3 groups that --no-coupled keeps whole", "3 groups that coupled=False keeps whole"),
        ("1 seed (--seeds 0-4 gives 5 of them)", "1 seed (seeds='0-4' gives 5 of them)"),
        ("a--b and well-known words stay", "a--b and well-known words stay"),
    ],
)
def test_options_become_arguments(typed_text: str, expected: str) -> None:
    assert python_words(typed_text) == expected


def test_errors_and_lines_of_the_log_are_reworded_and_the_command_line_gets_its_own_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = logging.getLogger("prunebench")
    with pytest.raises(UserError, match=r"^folder='x': a file$") as found, in_python_words(to="folder"):
        log.warning("give another %s", "--results")
        raise UserError("--to x: a file")
    assert caplog.messages == ["give another results"]
    assert typed(found.value) == "--to x: a file" and typed(UserError("--to x")) == "--to x"
    log.warning("--results stays")
    assert caplog.messages[-1] == "--results stays"
    with pytest.raises(UserError, match="lower batch"), in_python_words():
        raise CellError("lower --batch")
