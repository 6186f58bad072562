from pathlib import Path

import pytest

from prunebench.reports.output.escaping import escape_latex

SOURCES = Path(__file__).parents[3] / "reports"

# written by hand from the list of LaTeX's special characters
BY_HAND = {
    r"100%_&#$": r"100\%\_\&\#\$",
    r"{a}~b^c": r"\{a\}\textasciitilde{}b\textasciicircum{}c",
    r"C:\new": r"C:\textbackslash{}new",
    "a < b > c | d": r"a \textless{} b \textgreater{} c \textbar{} d",
    "97.50 ± 1.23": r"97.50 $\pm$ 1.23",
    "95 % of 3": r"95~\% of 3",
    "1.20 ‡ †": r"1.20 $\ddagger$ $\dagger$",
    "-0.10 [-0.20, +0.05]": "$-$0.10 [$-$0.20, +0.05]",
    "0-2, 2026-01-31, 1e-05, t-test, -": "0-2, 2026-01-31, 1e-05, t-test, -",
    "2.50x": r"2.50$\times$",
    "mnist x lenet5": r"mnist $\times$ lenet5",
    "resnext50_32x4d, max 2.50xy": r"resnext50\_32x4d, max 2.50xy",
    "500 -> 50": r"500 $\rightarrow$ 50",
    "--finetune-rate": "-{}-finetune-rate",
    "a---b": "a-{}-{}-b",
    "it\u2019s \u2013 “so”": r"it\textquoteright{}s \textendash{} \textquotedblleft{}so\textquotedblright{}",
    "`shuffle:X_1` and `a -> --b 2.00x`": (r"\texttt{shuffle:X\_1} and \texttt{a -\textgreater{} -{}-b 2.00x}"),
    "one ` alone": r"one \textquoteleft{} alone",
    "Poincaré, Poincare\u0301, Erdős": r"Poincar\'{e}, Poincar\'{e}, Erd\H{o}s",
    "τ² ≤ 猫": r"$\tau$$^{2}$ $\leq$ [U+732B]",
    "two\n\n lines\t\x7f": "two lines [U+007F]",
}


@pytest.mark.parametrize("text", BY_HAND)
def test_by_hand(text: str) -> None:
    assert escape_latex(text) == BY_HAND[text]


def test_every_sign_in_the_reports_own_texts_is_known() -> None:
    for path in SOURCES.rglob("*.py"):
        if path.name != "escaping.py":
            assert "[U+" not in escape_latex(path.read_text()), path


def test_nothing_but_ascii_is_written() -> None:
    text = "".join(map(chr, range(0x20, 0x3000)))
    assert escape_latex(text).isascii()
