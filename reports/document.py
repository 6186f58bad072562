"""A report as data: sections of text, tables and pictures, the same for Markdown, LaTeX and the page."""

from dataclasses import dataclass, field, replace

from tabulate import tabulate


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of lines."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of formatted cells.

    text_columns: how many leading columns hold text; the others hold numbers. folded: closed at first on the page.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    folded: bool = False

    def markdown(self) -> str:
        """Write the table in GitHub's Markdown.

        >>> print(Table("", ("layer", "dense"), (("conv1", "20"),)).markdown())
        | layer   |   dense |
        |:--------|--------:|
        | conv1   |      20 |
        """
        cells = tuple(tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows)
        return replace(self, rows=cells).text("pipe")

    def text(self, kind: str) -> str:
        """Write the table without its caption. kind: as tabulate names it, `simple` for a terminal."""
        align = ["left" if column < self.text_columns else "right" for column in range(len(self.header))]
        return tabulate(self.rows, self.header, tablefmt=kind, disable_numparse=True, colalign=align)

    def contains(self, mark: str) -> bool:
        """Tell whether any cell contains a mark, which then needs a note."""
        return any(mark in cell for row in self.rows for cell in row)

    def group_starts(self) -> tuple[bool, ...]:
        """Tell for every row whether its first cell differs from the one above: a group begins."""
        firsts = [row[0] for row in self.rows]
        return tuple(i > 0 and firsts[i] != firsts[i - 1] for i in range(len(firsts)))


@dataclass(frozen=True)
class Figure:
    """A figure. name: of its file in `figures/`, without suffix; title: what the figure shows."""

    name: str
    title: str
    svg: str = field(repr=False)


Part = Text | Items | Table | Figure


@dataclass(frozen=True)
class Section:
    """A titled part of a report. why_empty: the reason, where there is nothing to show; then there are no blocks."""

    title: str
    blocks: tuple[Part, ...]
    why_empty: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report. banner: a warning at the top, or empty; facts: (name, value) lines below the title."""

    title: str
    banner: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
