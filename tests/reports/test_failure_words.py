import re
from pathlib import Path
from string import Formatter

import pytest
import torch

import prunebench
from prunebench.errors import CellError, reason
from prunebench.pruning.selection import Rule, _check
from prunebench.reports.failure_words import REASONS, reason_text
from prunebench.reports.language.languages import find_language
from prunebench.reports.language.message import Message


@pytest.mark.parametrize("known", REASONS, ids=str)
def test_the_harness_writes_every_reason(known: Message) -> None:
    """Its words, without values, stand in the sources, however they are broken into lines."""
    home = Path(prunebench.__file__).parent
    files = [path.read_text() for path in home.rglob("*.py") if "reports" not in path.parts]
    text = "\n".join(re.sub(r'"\s*\n\s*f?"', "", file) for file in files)
    for words, _, _, _ in Formatter().parse(known.singular):
        assert words.strip(": ") in text, words


def test_a_known_reason_is_the_same_in_english_and_not_in_persian() -> None:
    with pytest.raises(CellError) as error:
        _check("conv1", torch.tensor([1.0, float("nan")]), 2, Rule())
    for text in (reason(error.value), f"rung 2 of the ladder: {reason(error.value)}"):
        found = reason_text(text)
        assert found == text and isinstance(found, Message)
        persian = find_language("fa").plain(found)
        assert "conv1" in persian and "scores" not in persian and "ladder" not in persian


def test_other_reasons_stay_as_they_are() -> None:
    text = "ValueError: the layer {x} is odd; rung 2 of"
    assert reason_text(text) is text
