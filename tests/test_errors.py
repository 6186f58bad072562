"""The message for an unknown name."""

from prunebench.errors import CellError, UserError, one_line, unknown


def test_an_unknown_name_is_said_with_the_nearest_where_one_is_near_and_with_all_sorted() -> None:
    text = str(unknown("criterion", "tailor", ["taylor", "obd"]))
    assert text == "unknown criterion 'tailor'; did you mean 'taylor'? Known: obd, taylor"
    text = str(unknown("option", "strenght", ["strength"], where="'l0'"))
    assert text == "unknown option 'strenght' in 'l0'; did you mean 'strength'? Known: strength"
    assert str(unknown("model", "zzz", iter(["lenet5"]))) == "unknown model 'zzz'; known: lenet5"
    assert str(unknown("preset", "quick", [])) == "unknown preset 'quick'; known: none"


def test_a_failed_cell_is_not_bad_input() -> None:
    assert not issubclass(CellError, UserError)
    assert not issubclass(UserError, CellError)


def test_of_many_names_the_nearest_three_are_shown_and_how_to_list_all() -> None:
    many = [f"taylor{number}" for number in range(20)]
    text = str(unknown("criterion", "taylo1", many))
    assert text.count("taylor") == 3 and text.endswith("? `prunebench list criteria` shows all 20")
    assert str(unknown("model", "zzz", many)) == "unknown model 'zzz'; `prunebench list models` shows all 20"
    assert str(unknown("function", "zzz", many)).count("taylor") == 20  # no command lists these


def test_a_long_text_without_a_space_is_shown_up_to_its_limit() -> None:
    assert one_line("x" * 30, 10) == "x" * 10 + " ..."
