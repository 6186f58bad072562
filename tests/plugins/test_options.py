import sys
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from prunebench.errors import UserError
from prunebench.plugins.options import (
    Option,
    convert,
    field_options,
    function_options,
    keyword_defaults,
    label,
    split_name,
)


def plain(defaults: dict[str, Any]) -> dict[str, Option]:
    return {name: Option(type(default), default) for name, default in defaults.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("taylor", ("taylor", {}, "")),
        (" obd:curvature=exact ", ("obd", {"curvature": "exact"}, "")),
        ("folder:/a=b/c,size=32", ("folder", {"size": "32"}, "/a=b/c")),
        ("folder:C:/pictures", ("folder", {}, "C:/pictures")),
    ],
)
def test_split_name(text: str, expected: tuple[str, dict[str, str], str]) -> None:
    assert split_name(text) == expected


def test_a_second_bare_argument_is_refused() -> None:
    with pytest.raises(UserError, match="'b' in 'folder:a,b' is not an option; write key=value"):
        split_name("folder:a,b")


@pytest.mark.parametrize("text", ["obd:curvature=exact:draws=2", "obd:curvature=exact;draws=2"])
def test_another_separator_is_said(text: str) -> None:
    with pytest.raises(UserError, match="options are separated by commas, as in obd:key=value,key=value"):
        split_name(text)


def test_annotations_say_which_values_are_allowed() -> None:
    def score(
        *, rounds: Annotated[int, Field(ge=1)] = 3, side: Literal["in", "out"] = "in", ratio: float = 1
    ) -> None: ...

    allowed = function_options(score)
    assert convert("mine", {"rounds": "1", "side": "out", "ratio": "0.5"}, allowed) == {
        "rounds": 1,
        "side": "out",
        "ratio": 0.5,
    }
    with pytest.raises(UserError, match="option rounds=0 of 'mine' must be at least 1"):
        convert("mine", {"rounds": "0"}, allowed)
    with pytest.raises(UserError, match="unknown side 'ot' in 'mine'; did you mean 'out'"):
        convert("mine", {"side": "ot"}, allowed)


ODD = """
import numpy as np
def score(weight: "units by fan_in", *, power=2.0, flag: "Missing" = True, size: "Field(" = np.float64(1.0)): ...
class Bare:
    def __call__(self, *, rounds=3): ...
"""


def test_an_annotation_that_says_nothing_leaves_the_type_of_the_default() -> None:
    module: dict[str, Any] = {"__name__": __name__}
    exec(ODD, module)
    given = {"power": "3", "flag": "false", "size": "2"}
    assert convert("mine", given, function_options(module["score"])) == {"power": 3.0, "flag": False, "size": 2.0}
    assert convert("mine", {"rounds": "4"}, function_options(module["Bare"]())) == {"rounds": 4}


def test_an_annotation_may_be_a_text_and_a_literal_may_hold_numbers() -> None:
    def score(*, rounds: "Annotated[int, Field(ge=1)]" = 3, p: Literal[1, 2] = 2) -> None: ...

    assert convert("mine", {"p": "1"}, function_options(score)) == {"p": 1}
    with pytest.raises(UserError, match="option rounds=0 of 'mine' must be at least 1"):
        convert("mine", {"rounds": "0"}, function_options(score))
    with pytest.raises(UserError, match=r"unknown p '3' in 'mine'; known: 1, 2"):
        convert("mine", {"p": "3"}, function_options(score))


def test_keyword_defaults_are_the_keyword_only_ones() -> None:
    def function(weight: float, other: int = 3, *, p: float = 2.0, name: str = "x", thing: object = None) -> None: ...

    assert keyword_defaults(function) == {"p": 2.0, "name": "x"}


def test_convert_follows_the_types_of_the_defaults() -> None:
    defaults = {"flag": False, "count": 1, "rate": 0.5, "mode": "a"}
    given = {"flag": "True", "count": "7", "rate": "1e-3", "mode": "b"}
    assert convert("x", given, plain(defaults)) == {"flag": True, "count": 7, "rate": 0.001, "mode": "b"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"flag": "maybe"}, "option flag=maybe of 'x' must be true or false"),
        ({"count": "1.5"}, "option count=1.5 of 'x' must be a whole number"),
        ({"rate": "fast"}, "option rate=fast of 'x' must be a number"),
        ({"cuont": "1"}, "did you mean 'count'"),
    ],
)
def test_wrong_values(given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        convert("x", given, plain({"flag": False, "count": 1, "rate": 0.5}))


@pytest.mark.parametrize("rate", [1e-5, 0.1, 1.0, 1.23456789e-05, 1 / 3, 123456789.0])
def test_label_is_the_inverse_of_split_name(rate: float) -> None:
    options = {"rate": rate, "flag": True, "mode": "b"}
    head, given, _ = split_name(label("x", options))
    assert (head, convert(head, given, plain({"rate": 0.0, "flag": False, "mode": ""}))) == ("x", options)


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(UserError, match="option p is given twice in 'magnitude:p=1,p=2'"):
        split_name("magnitude:p=1,p=2")


def test_bounds_of_inherited_fields_hold() -> None:
    @dataclass(frozen=True)
    class Base:
        every: Annotated[int, Field(ge=1)] = 10

    @dataclass(frozen=True)
    class Own(Base):
        strength: float = 1.0

    assert field_options(Own()).keys() == {"every", "strength"}
    with pytest.raises(UserError, match="option every=0 of 'mine' must be at least 1"):
        convert("mine", {"every": "0"}, field_options(Own()))


def test_an_inherited_annotation_is_read_where_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    home = types.ModuleType("home_of_base")
    monkeypatch.setitem(sys.modules, "home_of_base", home)
    text = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated as Limited
from pydantic import Field as Bound

@dataclass(frozen=True)
class Base:
    every: Limited[int, Bound(ge=1)] = 10
"""
    exec(text, vars(home))

    @dataclass(frozen=True)
    class Own(home.Base):  # type: ignore[name-defined,misc]
        strength: float = 1.0

    with pytest.raises(UserError, match="option every=0 of 'mine' must be at least 1"):
        convert("mine", {"every": "0"}, field_options(Own()))
