"""Bring the Persian catalogue of the report up to date: new messages in, unused ones out, then compile it.

The catalogue is `reports/translations/fa.po`. Python's `gettext` reads `fa.mo`, which lies beside it, so that an
installation needs no tool to build it. Babel, which does the work here, is a tool of development.
"""

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
SOURCES = (ROOT / "reports", ROOT / "harness" / "choosing")
PO = ROOT / "reports" / "translations" / "fa.po"
KEYWORDS = {"say": None, "say_many": (1, 2)}
ARABIC = re.compile("[\u0643\u064a\u0660-\u0669\u06f0-\u06f9]")  # letters that Persian writes otherwise; other digits


def extracted() -> Catalog:
    """Collect the messages of the sources."""
    found = Catalog()
    for folder in SOURCES:
        for _, _, text, _, _ in extract_from_dir(folder, [("**.py", "python")], keywords=KEYWORDS):
            found.add(text).flags.clear()
    return found


def written() -> Catalog:
    """Read the catalogue."""
    with PO.open("rb") as file:
        return read_po(file, locale="fa", abort_invalid=True)


def updated() -> Catalog:
    """Give the catalogue with the messages of the sources and no others."""
    catalogue = written()
    catalogue.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    return catalogue


def compiled(catalogue: Catalog) -> bytes:
    """Compile a catalogue as `gettext` reads it."""
    buffer = BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def faults(catalogue: Catalog, sources: Catalog) -> Iterator[str]:
    """Name every message that is not translated, not used, fuzzy, or translated with other placeholders."""
    for message in sources:
        if message.id and message.id not in catalogue:
            yield f"not in the catalogue: {message.id}"
    for message in catalogue:
        if message.id:
            yield from (f"{fault}: {message.id}" for fault in _faults(message, sources))


def _faults(message: Message, sources: Catalog) -> Iterator[str]:
    english, persian = _forms(message.id), _forms(message.string)
    if message.id not in sources:
        yield "not used"
    if message.fuzzy:
        yield "fuzzy"
    if not all(persian):
        yield "not translated"
    elif any(_placeholders(text) != _placeholders(english[-1]) for text in persian):
        yield "placeholders differ"
    elif any(text.count("`") % 2 for text in persian):
        yield "backticks do not pair"
    elif any(ARABIC.search(text) for text in persian):
        yield "not as Persian is written"


def _forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text or "",) if text is None or isinstance(text, str) else tuple(text)


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


if __name__ == "__main__":
    fresh = updated()
    with PO.open("wb") as file:
        write_po(file, fresh, width=120, no_location=True)
    PO.with_suffix(".mo").write_bytes(compiled(fresh))
    found = list(faults(fresh, extracted()))
    print("\n".join(found) or "nothing is missing")
    sys.exit(bool(found))
