"""The report's tables for a paper, in LaTeX: one `longtable` a question, with the rules of booktabs."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from itertools import count, takewhile

import pandas as pd

from prunebench.reports.document import Document, Part, Table, Text
from prunebench.reports.output.escaping import escape_latex
from prunebench.reports.protocols import VERSION

HEAD = r"""% In the preamble:
%     \usepackage{amssymb}
%     \usepackage{booktabs}
%     \usepackage{longtable}
%     \usepackage{pdflscape}
% In the text: \input{tables}, or single tables. In two columns, longtable needs \onecolumn.
"""
WIDE = 8  # columns; a wider table stands on a page of its own, turned
WRAPPED = 60  # characters; longer cells are broken into lines


def latex_tables(document: Document) -> str:
    """Write every table that is neither folded nor one of pictures. Texts that directly follow a table stand below it.

    Captions begin with the section's title. Labels are `tab:` and the title in small letters, numbered from the second
    on. The head of the file names the packages that the preamble needs.
    """
    lines = [f"% Written by PruneBench's report, version {version('prunebench')}."]
    lines += [f"% {name}: {text}" for name, text in document.facts if name == VERSION]
    lines += ["% " + " ".join(banner.split()) for banner in document.banners]
    parts = ["\n".join([*lines, HEAD])]
    labels: list[str] = []
    for section in (*document.sections, *document.details):
        for position, block in enumerate(section.blocks, 1):
            if isinstance(block, Table) and not block.folded and not block.pictures:
                labels.append(_label(section.title, labels))
                parts.append(_environment(section.title, block, section.blocks[position:], labels[-1]))
    return "\n".join(parts)


def long_table(table: Table, title: str, label: str) -> str:
    """Write one `longtable` with its caption. title: the short caption."""
    rows = [[_protected(escape_latex(cell)) for cell in row] for row in table.rows]
    frame = pd.DataFrame(rows, columns=[escape_latex(name) for name in table.header])
    caption = f"{title}{'' if title.endswith('?') else '.'} {escape_latex(table.caption)}"
    text: str = frame.style.hide(axis="index").to_latex(
        environment="longtable",
        hrules=True,
        caption=(caption, f"{{{title}}}"),  # braces, as a title may hold a bracket
        label=label,
        column_format="".join(_column(table, number) for number in range(len(table.header))),
    )
    return text


def _environment(title: str, table: Table, below: Iterable[Part], label: str) -> str:
    notes = [block.text for block in takewhile(lambda block: isinstance(block, Text), below) if isinstance(block, Text)]
    turned = len(table.header) > WIDE
    lines = [
        rf"\begingroup\{'tiny' if turned else 'footnotesize'}\setlength{{\tabcolsep}}{{3pt}}",
        long_table(table, escape_latex(title), label).rstrip(),
        *(rf"\par\noindent {escape_latex(note)}" for note in notes),
        r"\endgroup",
    ]
    return "\n".join([*[r"\begin{landscape}"] * turned, *lines, *[r"\end{landscape}"] * turned, ""])


def _column(table: Table, number: int) -> str:
    longest = max((len(row[number]) for row in table.rows), default=0)
    if longest > WRAPPED:
        return r"p{0.4\linewidth}"
    return "l" if number < table.text_columns else "r"


def _label(title: str, taken: list[str]) -> str:
    first = "tab:" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return first if first not in taken else next(n for i in count(2) if (n := f"{first}-{i}") not in taken)


def _protected(cell: str) -> str:
    return "{}" + cell if cell.startswith(("[", "*")) else cell  # not an option of \\
