"""A report as data: sections of text, tables and pictures, the same for Markdown and for the page."""

from dataclasses import dataclass, field

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
    """A table of finished texts. left: how many leading columns are words; folded: closed at first on the page."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    folded: bool = False

    def markdown(self) -> str:
        """Write the table in GitHub's Markdown.

        >>> print(Table("", ("layer", "dense"), (("conv1", "20"),)).markdown())
        | layer   |   dense |
        |:--------|--------:|
        | conv1   |      20 |
        """
        align = ["left" if column < self.left else "right" for column in range(len(self.header))]
        cells = [[cell.replace("|", "\\|") for cell in row] for row in self.rows]
        return tabulate(cells, self.header, tablefmt="pipe", disable_numparse=True, colalign=align)

    def contains(self, sign: str) -> bool:
        """Tell whether a sign is in any cell, which then wants a note."""
        return any(sign in cell for row in self.rows for cell in row)

    def group_starts(self) -> tuple[bool, ...]:
        """Tell for every row whether its first cell differs from the one above: a group begins."""
        firsts = [row[0] for row in self.rows]
        return tuple(i > 0 and firsts[i] != firsts[i - 1] for i in range(len(firsts)))


@dataclass(frozen=True)
class Picture:
    """A figure in `figures/`, without its ending; title says what it shows."""

    name: str
    title: str
    svg: str = field(repr=False)


Block = Text | Items | Table | Picture


@dataclass(frozen=True)
class Section:
    """A titled part of a report. why: what there is instead of blocks, where there is nothing to show."""

    title: str
    blocks: tuple[Block, ...]
    why: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report. banner: a warning above everything, or nothing; facts: (name, value) lines under the title."""

    title: str
    banner: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
