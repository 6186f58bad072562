"""A report as data: sections of text, tables and pictures, the same for Markdown, LaTeX and the page."""

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tabulate import tabulate

PROMPT = ">>> "  # begins a command that is Python, not a line for a shell


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of lines. task: whose results the lines tell, empty for those of all."""

    lines: tuple[str, ...]
    task: str = ""


@dataclass(frozen=True)
class Table:
    """A table of formatted cells.

    text_columns: how many leading columns hold text; the others hold numbers. folded: closed at first on the page.
    tools: the page lets readers sort and filter the rows. task: whose results the table holds, empty for those of all.
    styles: of every cell on the page, such as `better`, or empty. pictures: above the header's names, as addresses of
    the kind `data:`, or empty.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    folded: bool = False
    tools: bool = False
    task: str = ""
    styles: tuple[tuple[str, ...], ...] = ()
    pictures: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Write the table in GitHub's Markdown.

        >>> print(Table("", ("layer", "dense"), (("conv1", "20"),)).markdown())
        | layer   |   dense |
        |:--------|--------:|
        | conv1   |      20 |
        """
        cells = tuple(tuple(_unbroken(cell.replace("|", "\\|")) for cell in row) for row in self.rows)
        return replace(self, rows=cells).text("pipe")

    def text(self, kind: str) -> str:
        """Write the table without its caption. kind: as tabulate names it, `simple` for a terminal."""
        align = ["left" if column < self.text_columns else "right" for column in range(len(self.header))]
        return tabulate(self.rows, self.header, tablefmt=kind, disable_numparse=True, colalign=align)

    def style(self, row: int, column: int) -> str:
        """Give the style of a cell, counted from 0."""
        return self.styles[row][column] if self.styles else ""

    def contains(self, mark: str) -> bool:
        """Tell whether any cell contains a mark, which then needs a note."""
        return any(mark in cell for row in self.rows for cell in row)

    def group_starts(self) -> tuple[bool, ...]:
        """Tell for every row whether a group begins: its first cell differs from the one above. Lone rows are none.

        >>> Table("", ("keep", "criterion"), (("0.5", "l1"), ("0.5", "obd"), ("0.25", "l1"))).group_starts()
        (False, False, True)
        >>> Table("", ("criterion", "keep"), (("l1", "0.5"), ("obd", "0.5"))).group_starts()
        (False, False)
        """
        starts = [a[0] != b[0] for a, b in pairwise(self.rows)]
        return (False, *(start and not all(starts) for start in starts))[: len(self.rows)]


@dataclass(frozen=True)
class Panel:
    """One picture of a figure.

    task: whose results the picture shows, empty for those of all. title, subtitle: what tells it from the others.
    """

    task: str
    svg: str = field(repr=False)
    title: str = ""
    subtitle: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure of one or more panels.

    name: of its file in `figures/`, without suffix; title: what the figure shows. criteria: entries of the legend.
    folded: closed at first on the page.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    criteria: tuple[str, ...] = ()
    folded: bool = False


Part = Text | Items | Table | Figure


@dataclass(frozen=True)
class Section:
    """A titled part of a report.

    why_empty: the reason, where there is nothing to show; then there are no blocks. name: its address on the page; the
    title in small letters where none is given. folded: closed at first on the page.
    """

    title: str
    blocks: tuple[Part, ...]
    why_empty: str = ""
    name: str = ""
    folded: bool = False

    @property
    def address(self) -> str:
        """The id of the section on the page, which stays when sections come and go.

        >>> Section("Which is better?", ()).address
        'which-is-better'
        """
        return self.name or re.sub(r"\W+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Document:
    """A whole report.

    banners: warnings at the top. facts: (name, value) lines below the title. commands: (what they give, commands) in
    the order that repeats everything; readers copy them as one. sections: the answers. details: the numbers and the
    method behind them. tasks: names to choose from on the page.
    """

    title: str
    banners: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    details: tuple[Section, ...] = ()
    commands: tuple[tuple[str, tuple[str, ...]], ...] = ()
    tasks: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """Write all commands as one text for a shell, each after a comment that says what it gives; so is Python.

        >>> print(Document("", (), (), (), commands=(("results", ("prunebench run", ">>> results.time()")),)).script)
        # results
        prunebench run
        # >>> results.time()
        """
        lines = [line for name, commands in self.commands for line in (f"# {name}", *commands)]
        return "\n".join(f"# {line}" if line.startswith(PROMPT) else line for line in lines)


def _unbroken(cell: str) -> str:
    """Keep a number and its interval on one line."""
    return cell.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
