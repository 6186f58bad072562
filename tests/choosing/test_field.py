from collections.abc import Callable
from pathlib import Path
from typing import Any

from prunebench.choosing.field import find_field
from prunebench.study.spec import make_spec

PLUGIN = """
from prunebench import Criterion

def mine(weight):
    return weight.abs().sum(1)

def broken(weight):
    raise ZeroDivisionError("cannot score")

MINE, BROKEN = Criterion(mine), Criterion(broken)
"""


def test_by_default_all_race_that_need_no_strength_and_that_the_model_supports(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    given: dict[str, Any] = {"datasets": "digits", "models": "lenet5", "plugin": str(plugin), "results": tmp_path}
    found = find_field(make_spec(given | {"train_fraction": 0.4}))
    assert {"taylor", "fpgm", "obd", "mine"} <= set(found.criteria)
    assert not {"magnitude", "random", "l1", "broken"} & set(found.criteria)
    assert "cannot score" in found.left_out["broken"] and "strength tuned" in found.left_out["l1"]
    assert all("may cost more" in found.left_out[name] for name in ("c_obs", "chip", "oracle", "ziplm"))
    assert list(found.criteria).index("mine") < list(found.criteria).index("taylor")  # data-free first
    given |= {"keep": "weights=0.5"}
    single = find_field(make_spec(given | {"train_fraction": 0.4}))
    assert "taylor" in single.criteria and "fpgm" in single.left_out


def test_named_criteria_race_without_the_references(tiny: Callable[..., Any], tmp_path: Path) -> None:
    assert find_field(tiny(tmp_path, criteria="random taylor l1 magnitude taylor")).criteria == ("taylor", "l1")
