"""The facts of a stage: what is written is read again, infinite numbers too."""

import math
from pathlib import Path

import pytest

from prunebench.errors import UserError
from prunebench.records.record import Epoch
from prunebench.records.sparse import SparseFacts
from prunebench.records.stage import FACTS, StageFacts, read_stage_facts


def test_facts_come_back_as_they_were_written(tmp_path: Path) -> None:
    sparse = SparseFacts(before=math.inf, after=1 / 3, gradient_ratio={"conv1": math.inf}, acted_on=1)
    epoch = Epoch(stage="sparse", epoch=1, rate=0.1, loss=2.5)
    facts = StageFacts(seconds=1.5, memory=7, curve=(epoch,), sparse=sparse, floors=("conv1",))
    facts.write(tmp_path)
    assert read_stage_facts(tmp_path) == facts


def test_a_torn_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / FACTS).write_text('{"seconds": 1.5')
    with pytest.raises(UserError, match="not a file of prunebench"):
        read_stage_facts(tmp_path)
