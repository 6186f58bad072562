from pathlib import Path

import pytest

from prunebench.errors import UserError
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import load_registry
from prunebench.records.requested import parse_seeds

FOUND = load_registry(())


@pytest.mark.parametrize(
    ("text", "score", "before", "after"),
    [
        (" taylor ", "taylor", None, None),
        ("l1", "l1", "l1", None),
        ("hsqgl12+obd", "obd", "hsqgl12", None),  # regularise, then prune
        ("obd + hsqgl12", "obd", None, "hsqgl12"),
        ("dense_continued", None, None, None),
    ],
)
def test_what_is_done_when(text: str, score: str | None, before: str | None, after: str | None) -> None:
    method = parse_method(text, FOUND)
    assert (method.name, method.of) == (text.replace(" ", ""), None)
    assert method.kind == ("criterion" if score else "dense_continued")
    assert method.score == (FOUND.criteria[score].plugin if score else None)
    for found, name in ((method.before, before), (method.after, after)):
        assert found == (FOUND.criteria[name].plugin.regulariser if name else None)
        assert (found is None) == (name is None)


def test_the_alias_keeps_its_name() -> None:
    alias, written_out = parse_method("reg_obd", FOUND), parse_method("hsqgl12+obd", FOUND)
    assert (alias.name, alias.score, alias.before) == ("reg_obd", written_out.score, written_out.before)
    alias, written_out = parse_method("c_obd", FOUND), parse_method("obd:curvature=sampled", FOUND)
    assert (alias.name, alias.score) == ("c_obd", written_out.score)


def test_options_are_normalised_and_the_name_reads_back() -> None:
    method = parse_method("hsqgl12:strength=2e-06+obd:curvature=exact", FOUND)
    assert method.name == "hsqgl12:strength=2e-06+obd:curvature=exact"
    assert method.before is not None
    assert method.before.strength == 2e-6
    assert parse_method("magnitude:p=1.0", FOUND).name == "magnitude:p=1"
    assert parse_method("l1:strength=1e+2", FOUND).before.strength == 100.0  # type: ignore[union-attr]
    for text in ("hsqgl12:strength=1.23456789e-05+obd", "shuffle:l1:strength=3", "reg_obd", "dense_continued"):
        again = parse_method(parse_method(text, FOUND).name, FOUND)
        assert again == parse_method(text, FOUND)
        assert again.before == parse_method(text, FOUND).before


@pytest.mark.parametrize("kind", ["shuffle", "scratch"])
def test_controls_of_a_criterion(kind: str) -> None:
    method = parse_method(f"{kind}:hsqgl12+obd", FOUND)
    assert (method.name, method.kind, method.score) == (f"{kind}:hsqgl12+obd", kind, None)
    assert method.of == parse_method("hsqgl12+obd", FOUND)
    assert parse_method(f"{kind}:reg_obd", FOUND).name == f"{kind}:reg_obd"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tailor", "unknown criterion 'tailor'; did you mean 'taylor'"),
        ("dense_continue", "did you mean 'dense_continued'"),
        ("regobd", "did you mean 'reg_obd'"),
        ("", "unknown criterion ''"),
        (
            "taylor+obd",
            "neither part has a regulariser; A\\+B needs one part with .*; criteria with a regulariser: .*hsqgl12",
        ),
        ("l1+hsqgl12", "both parts have a regulariser"),
        ("l1+obd+taylor", "exactly two parts"),
        ("l1+", "exactly two parts"),
        ("+", "exactly two parts"),
        ("l1+tailor", "unknown criterion 'tailor'; did you mean 'taylor'"),
        ("reg_obd:strength=1", "'reg_obd' stands for hsqgl12\\+obd and takes no options"),
        ("reg_obd:strength=1e+3", "'reg_obd' stands for hsqgl12\\+obd and takes no options"),
        ("reg_obd+taylor", "'reg_obd' cannot be a part of A\\+B"),
        ("l1+shuffle:obd", "'shuffle' cannot be a part of A\\+B"),
        ("l1+obd:curvature=wrong", "unknown curvature 'wrong'"),
        ("l1:p=1+obd", "unknown option 'p' in 'l1'"),
        ("dense_continued:l1", "'dense_continued:l1': dense_continued takes no argument"),
        ("shuffle", "'shuffle' copies the widths of a criterion; write shuffle:X"),
        ("scratch:shuffle:l1", "'scratch:shuffle:l1': 'shuffle' is a control; name a criterion"),
        ("shuffle:tailor", "unknown criterion 'tailor'; did you mean 'taylor'"),
        ("taylor:x=1", "unknown option 'x' in 'taylor'"),
        ("obd:exact", "'exact' in 'obd:exact' is not an option"),
    ],
)
def test_expressions_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_method(text, FOUND)


def test_an_option_of_a_score_that_is_not_used_is_refused(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from prunebench import Criterion, Penalty\n"
        "def mine(weight, *, power=1.0): ...\n"
        "RECORD = Criterion(mine, regulariser=Penalty(lambda weight: weight.sum(), strength=1.0))\n"
    )
    found = load_registry((str(plugin),))
    assert parse_method("mine:power=2,strength=3", found).name == "mine:power=2,strength=3"
    assert parse_method("mine:strength=3+obd", found).name == "mine:strength=3+obd"
    with pytest.raises(
        UserError, match="power is an option of the score of 'mine', but only its regulariser is used here"
    ):
        parse_method("mine:power=2+obd", found)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0-4", (0, 1, 2, 3, 4)), ("0,3,7", (0, 3, 7)), ("5", (5,)), ("0-1, 7", (0, 1, 7)), ("3-3", (3,))],
)
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4-0", "the range 4-0 is empty; write 0-4"),
        ("", "'' is not a whole number"),
        ("-1", "'-1' is not a whole number from 0"),
        ("1,", "'' is not a whole number"),
        ("one", "'one' is not a whole number"),
        ("1.5", "'1.5' is not a whole number"),
        ("0-2,1", "a seed is given twice"),
        ("0-999999999", "more than 100000 seeds; give fewer"),
        ("0-1000000000", "the seed 1000000000 is more than 999999999; give smaller seeds"),
        ("0-60000,100000-160000", "more than 100000 seeds; give fewer"),
        ("1,2," * 100 + "x", r"--seeds 1,2,1,2,.*\.\.\.: 'x' is not"),
    ],
)
def test_seeds_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_seeds(text)
