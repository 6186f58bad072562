import pytest

from prunebench.errors import UserError
from prunebench.reports.language.languages import find_language
from prunebench.reports.language.message import code, joined, marked, say, say_many

ENGLISH, PERSIAN = find_language("en"), find_language("fa")


def test_values_names_and_code_are_isolated() -> None:
    message = say("`{baseline}` was run alone: nothing to compare.", baseline="<l1>")
    assert PERSIAN.html(message).startswith('تنها <code dir="ltr">&lt;l1&gt;</code> اجرا')
    message = say_many("{few} to {number} seed", "{few} to {number} seeds", 10, few="3")
    assert PERSIAN.html(message) == (
        '<bdi dir="ltr" class="number">3</bdi> تا <bdi dir="ltr" class="number">10</bdi> بذر'
    )
    assert PERSIAN.plain(message) == "\u20663\u2069 تا \u206610\u2069 بذر"


def test_an_interval_is_one_value() -> None:
    message = say("`{random}` has {rho}.", random="random", rho="-0.19 [-1.78, +1.41]")
    assert '<bdi dir="ltr" class="number">-0.19 [-1.78, +1.41]</bdi>' in PERSIAN.html(message)


def test_numbers_and_latin_words_of_a_translation_are_isolated_too() -> None:
    html = PERSIAN.html(say("An interval leaves zero out by chance once in twenty."))
    assert "<bdi" not in html
    html = PERSIAN.html(say("Pruned - dense accuracy in points, 95 % interval."))
    assert '<bdi dir="ltr" class="number">95 %</bdi>.' in html


def test_messages_in_messages_and_lists_are_translated() -> None:
    names = joined([code("l1"), say("`{criterion}` (on these test pictures)", criterion="obd")])
    assert PERSIAN.html(say("Worse: {names}.", names=names)) == (
        'بدتر: <code dir="ltr">l1</code>، <code dir="ltr">obd</code> (روی همین تصویرهای آزمون).'
    )


def test_texts_that_are_no_messages_stay_english_and_say_so() -> None:
    assert PERSIAN.element("Some `text` & more", "p", "note") == (
        '<p class="note" lang="en" dir="ltr">Some <code>text</code> &amp; more</p>'
    )
    assert PERSIAN.element(say("Glossary"), "h2") == "<h2>واژه‌نامه</h2>"
    assert ENGLISH.element(say("Glossary"), "h2") == "<h2>Glossary</h2>"


def test_cells_of_a_table_run_from_left_to_right() -> None:
    assert PERSIAN.inline("+0.46 [+0.14, +0.78]", of_table=True) == "+0.46 [+0.14, +0.78]"
    assert PERSIAN.inline(say("criterion"), of_table=True) == '<bdi dir="rtl">معیار</bdi>'
    assert PERSIAN.inline("results") == '<bdi dir="ltr">results</bdi>'
    assert ENGLISH.inline("<i>") == "&lt;i&gt;"


def test_a_cell_without_words_of_the_language_stays_as_it_is() -> None:
    assert PERSIAN.inline(joined(("taylor", "obd")), of_table=True) == "taylor, obd"
    assert PERSIAN.inline(marked("0.71 ± 0.05", "†"), of_table=True) == "0.71 ± 0.05 †"
    cell = PERSIAN.inline(marked(say("not timed"), "†"), of_table=True)
    assert cell.startswith('<bdi dir="rtl">بدون') and cell.endswith('<bdi dir="ltr" class="number">†</bdi></bdi>')


def test_a_text_of_a_figure_turns_where_it_holds_persian_words() -> None:
    heading = say_many("{few} to {number} seed", "{few} to {number} seeds", 10, few="3")
    assert PERSIAN.drawn(heading) == "\u2067\u20663\u2069 تا \u206610\u2069 بذر\u2069"
    assert PERSIAN.drawn("taylor") == "taylor" and type(ENGLISH.drawn(heading)) is str
    assert ENGLISH.drawn(heading) == "3 to 10 seeds"


def test_english_needs_no_catalogue() -> None:
    message = say("`{baseline}` was run alone: nothing to compare.", baseline="<l1>")
    assert ENGLISH.html(message) == "<code>&lt;l1&gt;</code> was run alone: nothing to compare."
    assert ENGLISH.plain(message) == message


def test_another_language_is_an_error() -> None:
    with pytest.raises(UserError, match=r"unknown language 'de'; did you mean 'en'. Known: en, fa"):
        find_language("de")
