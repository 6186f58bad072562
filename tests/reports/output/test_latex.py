import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from prunebench.reports.document import Document, Items, Section, Table, Text
from prunebench.reports.output.escaping import COMMANDS
from prunebench.reports.output.latex import latex_tables, long_table
from prunebench.reports.output.writing import write_report
from prunebench.reports.results import gather_results

PAPER = r"""\documentclass{article}
\usepackage{amssymb}
\usepackage{booktabs}
\usepackage{longtable}
\usepackage{pdflscape}
\begin{document}
\listoftables
\input{tables}
\end{document}
"""


def document(*sections: Section, banners: tuple[str, ...] = ()) -> Document:
    return Document("PruneBench report", banners, (), sections)


def table(caption: str = "C.", folded: bool = False) -> Table:
    return Table(caption, ("keep", "n"), (("0.5", "3"),), folded=folded)


def test_a_table_by_hand() -> None:
    rows = (("0.5", "reg_obd", "+1.00 †"), ("0.25", "l0", "n/a"))
    text = long_table(Table("In %.", ("keep", "criterion", "to a & b"), rows, text_columns=2), "Which?", "tab:which")
    body = [line for line in text.splitlines() if "&" in line or "longtable" in line or "caption" in line]
    assert body[:3] == [
        r"\begin{longtable}{llr}",
        r"\caption[{Which?}]{Which? In \%.} \label{tab:which} \\",
        r"keep & criterion & to a \& b \\",
    ]
    assert body[-3:] == [
        r"0.5 & reg\_obd & +1.00 $\dagger$ \\",
        r"0.25 & l0 & n/a \\",
        r"\end{longtable}",
    ]
    assert {r"\toprule", r"\midrule", r"\bottomrule"} <= {*text.splitlines()}


def test_a_row_that_looks_like_an_option_of_the_line_above() -> None:
    text = long_table(Table("", ("interval",), (("[1.0, 2.0]",), ("*",))), "t", "tab:t")
    assert r"{}[1.0, 2.0] \\" in text and r"{}* \\" in text


def test_an_environment_for_every_open_table_with_its_notes() -> None:
    blocks = (Text("before"), table("In %."), Text("† one."), Text("`p`: two."), Items(("x",)), Text("later"), table())
    text = latex_tables(document(Section("mnist x lenet5", (*blocks, table("hidden", folded=True)))))
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 2
    assert r"\caption[{mnist $\times$ lenet5}]{mnist $\times$ lenet5. In \%.}" in text
    first, second = text.split(r"\endgroup")[:2]
    notes = [r"\par\noindent $\dagger$ one.", r"\par\noindent \texttt{p}: two."]
    assert first.splitlines()[-2:] == notes
    assert r"\noindent" not in second
    assert not any(word in text for word in ("before", "later", "hidden"))


def test_a_wide_table_is_turned() -> None:
    wide = Table("C.", tuple("abcdefghi"), (tuple("123456789"),))
    assert r"\begin{landscape}" in latex_tables(document(Section("wide", (wide,))))
    assert (
        r"\begin{landscape}" not in latex_tables(document(Section("narrow", (table(),)))).partition(r"\begingroup")[2]
    )


def test_labels_differ() -> None:
    sections = [Section(title, (table(),)) for title in ("A b!", "a, B", "A b 2", "a b", "猫", "犬")]
    labels = re.findall(r"\\label\{(.*)\}", latex_tables(document(*sections)))
    assert labels == ["tab:a-b", "tab:a-b-2", "tab:a-b-2-2", "tab:a-b-3", "tab:", "tab:-2"]


def test_the_head() -> None:
    first, second, *_ = latex_tables(document(banners=("Demonstration,\nnot evidence.",))).splitlines()
    assert first == f"% Written by PruneBench's report, version {version('prunebench')}."
    assert second == "% Demonstration, not evidence."
    assert latex_tables(document()).splitlines()[1] == "% In the preamble:"
    assert r"\begin{longtable}" not in latex_tables(document())


def test_a_report_has_its_tables(make: SimpleNamespace, tmp_path: Path) -> None:
    write_report(gather_results("x", make.grid(("magnitude", "random"))), tmp_path)
    text = (tmp_path / "tables.tex").read_text()
    captions = [found for found in re.findall(r"\\caption\[\{(.*?)\}\]", text) if found]  # empty: of a next page
    assert "All points" in captions and len(captions) == text.count(r"\end{longtable}")
    assert text.isascii()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_pdflatex_sets_it(make: SimpleNamespace, tmp_path: Path) -> None:
    signs = "".join(map(chr, range(0x250))) + "".join(COMMANDS)
    pieces = [signs[i : i + 60] for i in range(0, len(signs), 60)]
    wide = Table("C.", ("x", *"yz"), tuple((piece,) * 3 for piece in pieces) * 8)
    rows = Table("`a_b`", ("x",), (("[1]",), ("*",), ("--",)))
    write_report(gather_results("x", [*make.grid(), make.failure("obd")]), tmp_path)
    tables = latex_tables(document(*(Section(piece, (wide, Text(piece), rows)) for piece in pieces)))
    (tmp_path / "tables.tex").write_text((tmp_path / "tables.tex").read_text() + tables)
    (tmp_path / "paper.tex").write_text(PAPER)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    assert "Float too large" not in done.stdout
    assert "Missing character" not in (tmp_path / "paper.log").read_text(errors="replace")
