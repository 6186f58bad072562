"""The report's tables for a paper, in LaTeX with the rules of booktabs."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from itertools import count, takewhile
from textwrap import wrap

from tabulate import DataRow, Line, TableFormat, tabulate

from prunebench.reports.document import Document, Part, Table, Text
from prunebench.reports.output.escaping import escape_latex

HEAD = r"""% In the preamble:
%     \usepackage{booktabs}
%     \usepackage{graphicx}
% In the text: \input{tables}, or single tables together with the definition of \prunebenchfit, which shrinks a table
% that is wider than the line or nearly as tall as the page. One that comes out too small has more room between
% \begin{landscape} and \end{landscape} (package pdflscape); in two columns, as table* instead of table.
\providecommand{\prunebenchfit}[1]{{\par\smallskip\small\setlength{\tabcolsep}{4pt}%
  \resizebox*{!}{\ifdim\totalheight>0.8\textheight 0.8\textheight\else\totalheight\fi}{%
  \resizebox{\ifdim\width>\linewidth \linewidth\else\width\fi}{!}{#1}}}}
"""
ROW = DataRow("", " & ", r" \\")
BOOKTABS = TableFormat(
    lineabove=Line(r"\toprule", "", "", ""),
    linebelowheader=Line(r"\midrule", "", "", ""),
    linebetweenrows=None,
    linebelow=Line(r"\bottomrule", "", "", ""),
    headerrow=ROW,
    datarow=ROW,
    padding=0,
    with_header_hide=None,
)


def latex_tables(document: Document) -> str:
    """Write every table that is not folded as a `table` environment. Texts that directly follow a table stand below it.

    Captions begin with the section's title. Labels are `tab:` and the title in small letters, numbered from the second
    on. The head of the file names the packages that the preamble needs.
    """
    lines = [f"% Written by PruneBench's report, version {version('prunebench')}."]
    lines += [f"% {name}: {text}" for name, text in document.facts if name == "protocol version"]
    lines += ["% " + " ".join(document.banner.split())] if document.banner else []
    parts = ["\n".join([*lines, HEAD])]
    labels: list[str] = []
    for section in document.sections:
        for position, block in enumerate(section.blocks, 1):
            if isinstance(block, Table) and not block.folded:
                labels.append(_label(section.title, labels))
                parts.append(_environment(section.title, block, section.blocks[position:], labels[-1]))
    return "\n".join(parts)


def tabular(table: Table) -> str:
    r"""Write the `tabular` environment alone. A header longer than the cells below it is broken into lines.

    >>> print(tabular(Table("", ("layer", "MACs kept"), (("conv_1", "50 %"), ("fc", "25 %")))))
    \begin{tabular}{lr}
    \toprule
    layer   &   \shortstack[r]{\strut MACs\\kept} \\
    \midrule
    conv\_1 &                               50~\% \\
    \addlinespace
    fc      &                               25~\% \\
    \bottomrule
    \end{tabular}
    """
    columns = "l" * table.text_columns + "r" * (len(table.header) - table.text_columns)
    widths = [max(map(len, cells), default=0) for cells in zip(*table.rows, strict=True)] or [0] * len(columns)
    header = [_stacked_header(*column) for column in zip(table.header, widths, columns, strict=True)]
    rows = [[escape_latex(cell) for cell in row] for row in table.rows]
    align = ["left" if column == "l" else "right" for column in columns]
    grid = tabulate(rows, header, tablefmt=BOOKTABS, disable_numparse=True, colalign=align)
    *above, below = grid.splitlines()
    lines = above[:3]
    for line, starts in zip(above[3:], table.group_starts(), strict=True):
        lines += [r"\addlinespace"] * starts + [_protected_row(line)]
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", *lines, below, r"\end{tabular}"])


def _environment(title: str, table: Table, below: Iterable[Part], label: str) -> str:
    short = escape_latex(title)
    notes = [block.text for block in takewhile(lambda block: isinstance(block, Text), below) if isinstance(block, Text)]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption[{{{short}}}]{{{short}{'' if short.endswith('?') else '.'} {escape_latex(table.caption)}}}",
        rf"\label{{{label}}}",
        rf"\prunebenchfit{{{tabular(table)}}}",
        *(rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {escape_latex(note)}}}" for note in notes),
    ]
    return "\n".join([*lines, r"\end{table}", ""])


def _label(title: str, taken: list[str]) -> str:
    first = "tab:" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return first if first not in taken else next(n for i in count(2) if (n := f"{first}-{i}") not in taken)


def _stacked_header(name: str, width: int, column: str) -> str:
    lines = wrap(name, max([width, 1, *map(len, name.split())]), break_on_hyphens=False)
    text = r"\\".join(map(escape_latex, lines))
    return rf"\shortstack[{column}]{{\strut {text}}}" if len(lines) > 1 else text


def _protected_row(line: str) -> str:
    return "{}" + line if line.lstrip().startswith(("[", "*")) else line  # not an option of \\
