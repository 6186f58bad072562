"""A document as plain text, for a terminal. Markdown is in `writing`."""

import textwrap
from collections.abc import Iterator

from prunebench.reports.document import Document, Figure, Items, Part, Table, Text

WIDTH = 100  # characters of a line of prose; tables may be wider


def plain(document: Document) -> str:
    r"""Write a document without markup; figures are left out.

    >>> from prunebench.reports.document import Section
    >>> table = Table("Widths.", ("layer", "units"), (("conv1", "20"),))
    >>> print(plain(Document("Power", (), (("source", "results"),), (Section("Seeds needed", (table,)),))))
    Power
    source: results
    <BLANKLINE>
    SEEDS NEEDED
    <BLANKLINE>
    layer      units
    -------  -------
    conv1         20
    <BLANKLINE>
    Widths.
    """
    head = [document.title, *document.banners]
    blocks = ["\n".join([*head, *(f"{name}: {value}" for name, value in document.facts)])]
    for section in document.sections:
        blocks += [section.title.upper(), *(text for part in section.blocks for text in _lines(part))]
        blocks += [_filled(section.why_empty)] * bool(section.why_empty)
    return "\n\n".join(blocks)


def _lines(part: Part) -> Iterator[str]:
    match part:
        case Text(text=text):
            yield _filled(text)
        case Items(lines=lines):
            yield "\n".join(textwrap.fill(line, WIDTH, initial_indent="- ", subsequent_indent="  ") for line in lines)
        case Table(caption=caption):
            yield part.text("simple")
            if caption:
                yield _filled(caption)
        case Figure():
            return


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)
