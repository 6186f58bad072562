"""The message for an unknown name."""

from prunebench.errors import CellError, UserError, unknown


def test_unknown_suggests_the_nearest_and_lists_all_sorted() -> None:
    error = unknown("criterion", "tailor", ["taylor", "obd"])
    assert isinstance(error, UserError)
    assert str(error) == "unknown criterion 'tailor'; did you mean 'taylor'? Known: obd, taylor"


def test_unknown_says_where() -> None:
    text = str(unknown("option", "strenght", ["strength"], where="'l0'"))
    assert text == "unknown option 'strenght' in 'l0'; did you mean 'strength'? Known: strength"


def test_no_suggestion_where_nothing_is_near() -> None:
    assert str(unknown("model", "zzz", iter(["lenet5"]))) == "unknown model 'zzz'; Known: lenet5"


def test_nothing_known() -> None:
    assert str(unknown("preset", "quick", [])) == "unknown preset 'quick'; Known: none"


def test_a_failed_cell_is_not_bad_input() -> None:
    assert not issubclass(CellError, UserError)
    assert not issubclass(UserError, CellError)
