"""The Persian catalogue holds every message of the reports, no other, and is compiled."""

import pytest

pytest.importorskip("babel", reason="babel is not installed")
from babel.messages.catalog import Catalog

from tests.conftest import load_script

script = load_script("docs/make_catalogue.py")


def test_every_message_is_translated_and_every_translation_used() -> None:
    assert list(script.faults(script.written(), script.extracted())) == [], "run: python docs/make_catalogue.py"


def test_the_compiled_catalogue_is_that_of_the_text() -> None:
    assert script.PO.with_suffix(".mo").read_bytes() == script.compiled(script.written())


@pytest.mark.parametrize(
    ("string", "fault"),
    [
        ("", "not translated"),
        ("{name} {other}", "placeholders differ"),
        ("`{name}", "backticks do not pair"),
        ("{name} \u064a", "not as Persian is written"),
        ("{name} \u06f3", "not as Persian is written"),
    ],
)
def test_a_fault_is_named(string: str, fault: str) -> None:
    sources, catalogue = Catalog(), Catalog(locale="fa")
    sources.add("{name} fell")
    catalogue.add("{name} fell", string)
    assert list(script.faults(catalogue, sources)) == [f"{fault}: {{name}} fell"]


def test_unused_fuzzy_and_absent_messages_are_named() -> None:
    sources, catalogue = Catalog(), Catalog(locale="fa")
    sources.add("new")
    catalogue.add("old", "\u06a9\u0647\u0646\u0647", flags=("fuzzy",))
    assert list(script.faults(catalogue, sources)) == ["not in the catalogue: new", "not used: old", "fuzzy: old"]
