from pathlib import Path

import pytest

import prunebench.criteria
from prunebench.reports.figures.drawing import FAINT
from prunebench.reports.figures.palette import FAMILIES, MEMBERS, SHADES, SOLID, style_of
from prunebench.reports.ordering import CONTROLS

FILES = Path(prunebench.criteria.__file__).parent.glob("[!_]*.py")
BUILT_IN = sorted({file.stem for file in FILES} - {"random_scores", "magnitude"})


def test_every_built_in_criterion_has_a_family_and_nothing_else_has() -> None:
    assert sorted(FAMILIES) == BUILT_IN
    assert set(MEMBERS) == set(SHADES)


def test_no_two_built_in_criteria_look_alike() -> None:
    styles = [style_of(name) for name in [*BUILT_IN, "magnitude", "reg_obd", "obd:curvature=exact", *CONTROLS]]
    assert len(set(styles)) == len(styles)


def test_a_family_shares_its_hue_and_no_other_family_has_it() -> None:
    shades = [shade for family in SHADES.values() for shade in family]
    assert len(set(shades)) == len(shades)
    for family, members in MEMBERS.items():
        assert {style_of(name).colour for name in members} <= set(SHADES[family])


@pytest.mark.parametrize("name", ["obd:curvature=exact", "hsqgl12+obd", "reg_obd", "l1+kron_obd:labels=true"])
def test_options_and_sums_keep_the_hue_and_change_the_shape(name: str) -> None:
    last = name.rpartition("+")[2].partition(":")[0]
    plain = style_of("obd" if last == "reg_obd" else last)
    assert style_of(name).colour == plain.colour
    assert style_of(name).shape != plain.shape


def test_a_criterion_of_a_plugin_has_one_style_for_ever() -> None:
    assert style_of("my_score") == style_of("my_score")
    assert style_of("my_score").colour == "#9D83D4"
    assert style_of("my_score").dash == SOLID


def test_controls_alone_are_grey_and_dashed() -> None:
    for name in ("random", "dense_continued", "shuffle:taylor", "scratch:magnitude"):
        assert style_of(name).colour == FAINT and style_of(name).dash != SOLID
    assert all(style_of(name).dash == SOLID for name in [*BUILT_IN, "magnitude", "reg_obd"])


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_all_colours_are_seen_on_light_and_on_dark_ground() -> None:
    for shade in [shade for family in SHADES.values() for shade in family]:
        assert 1.05 / (luminance(shade) + 0.05) > 2.2, shade
        assert (luminance(shade) + 0.05) / (luminance("#16181b") + 0.05) > 3, shade
