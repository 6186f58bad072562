import inspect
from typing import Any

import pytest

from prunebench.cli.options import RunOption, options, values, with_run_options
from prunebench.errors import UserError
from prunebench.study.spec import Spec


def test_every_field_of_a_spec_is_an_option_with_a_help() -> None:
    assert [option.name for option in options()] == list(Spec.model_fields)
    assert all(option.help for option in options())
    assert len({option.flag for option in options()}) == len(options())


@pytest.mark.parametrize(
    ("name", "flag", "kind"),
    [
        ("criteria", "--criteria", "list"),
        ("train_fraction", "--train-fraction", "text"),
        ("restart", "--restart", "flag"),
        ("coupled", "--coupled", "flag"),
    ],
)
def test_how_they_are_typed(name: str, flag: str, kind: str) -> None:
    option = next(option for option in options() if option.name == name)
    assert (option.flag, option.kind) == (flag, kind)


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("text", ["3"], "3"),
        ("text", [], None),
        ("text", None, None),
        ("list", ["a", "b"], ["a", "b"]),
        ("list", [], None),
        ("flag", True, True),
        ("flag", False, False),
        ("flag", None, None),
    ],
)
def test_what_was_typed(kind: str, given: Any, value: Any) -> None:
    assert RunOption("x", kind, "").value(given) is value or RunOption("x", kind, "").value(given) == value


def test_an_empty_text_is_not_the_default() -> None:
    for option, given in ((RunOption("seeds", "text", ""), [""]), (RunOption("criteria", "list", ""), [""])):
        with pytest.raises(UserError, match=f"{option.flag} is empty; leave it out for the default"):
            option.value(given)


def test_one_that_is_typed_twice_is_refused_not_forgotten() -> None:
    with pytest.raises(UserError, match=r"--keep is given 2 times \(macs=0.5, params=0.5\); give it once"):
        RunOption("keep", "text", "").value(["macs=0.5", "params=0.5"])


def test_values_picks_ours_out_of_everything() -> None:
    found = values({"epochs": ["3"], "coupled": False, "verbose": 2})
    assert set(found) == set(Spec.model_fields)
    assert {name: value for name, value in found.items() if value is not None} == {"epochs": "3", "coupled": False}


def test_a_command_gets_them_beside_its_own() -> None:
    @with_run_options
    def command(dry_run: bool = False, **given: Any) -> None: ...

    assert list(inspect.signature(command).parameters) == ["dry_run", *Spec.model_fields]


def test_the_help_says_what_kind_of_value_an_option_takes() -> None:
    shown = {option.name: option.metavar for option in options()}
    wanted = {"epochs": "INTEGER", "rate": "NUMBER", "results": "FOLDER", "weights": "FILE", "ranking": "NAME"}
    wanted |= {"criteria": "NAMES", "finetune_rate": "NUMBER", "seeds": "SEEDS", "shard": "I/N"}
    assert {name: shown[name] for name in wanted} == wanted
    assert shown["coupled"] is None and "VALUE" not in shown.values()
