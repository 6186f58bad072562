"""Texts of a report in Markdown and LaTeX, whatever names and signs they contain."""

import re
import unicodedata

COMMANDS = {sign: f"\\{sign}" for sign in "%_&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedblright{}",
    "`": r"\textquoteleft{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "\N{NO-BREAK SPACE}": "~",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
    "…": r"\dots{}",
    "°": r"$^{\circ}$",
    "²": r"$^{2}$",
    "³": r"$^{3}$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "≠": r"$\neq$",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
    "○": r"$\circ$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "µ": r"$\mu$",
    "ß": r"\ss{}",
    "ø": r"\o{}",
    "æ": r"\ae{}",
    "ł": r"\l{}",
}
GREEK = (
    *("alpha", "beta", "delta", "epsilon", "kappa", "lambda", "mu"),
    *("pi", "rho", "sigma", "tau", "phi", "chi", "omega"),
)
COMMANDS |= {letter: rf"$\{name}$" for letter, name in zip("αβδεκλμπρστφχω", GREEK, strict=True)}
ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c", "`'^~=u.\"rHv", strict=True))


MARKDOWN = (  # what begins a tag, a sign by its name, and what precedes the address of a link
    (r"&(?=#?\w+;)", "&amp;"),
    (r"<(?=[A-Za-z/!?])", "&lt;"),
    (r"\](?=[(:])", "&#93;"),
)


def escape_markdown(text: object) -> str:
    """Write a text or a table in Markdown: it holds no HTML, no links and no pictures. Other signs stay.

    Inside backticks, too: who writes a name with backticks decides what is inside.

    >>> print(escape_markdown("p < 0.05, <b>, R&D, &lt; and [a](b)"))
    p < 0.05, &lt;b>, R&D, &amp;lt; and [a&#93;(b)
    """
    escaped = str(text)
    for sign, name in MARKDOWN:
        escaped = re.sub(sign, name, escaped)
    return escaped


def escape_latex(text: str) -> str:
    r"""Write a text in LaTeX: `names` in backticks as code; minus, times and arrows as signs.

    A character that pdflatex cannot set becomes its code point.

    >>> print(escape_latex("-0.35 ± 0.10 points, 2.50x, `taylor_activation`"))
    $-$0.35 $\pm$ 0.10 points, 2.50$\times$, \texttt{taylor\_activation}
    >>> print(escape_latex("90 % of Poincaré's {a} 中"))
    90~\% of Poincar\'{e}'s \{a\} [U+4E2D]
    """
    parts = re.split(r"`([^`]+)`", " ".join(unicodedata.normalize("NFC", text).split()))
    return "".join(
        rf"\texttt{{{_escaped(part)}}}" if i % 2 else _escaped(_with_signs(part)) for i, part in enumerate(parts)
    )


def _with_signs(text: str) -> str:
    text = re.sub(r"(?<![\w.-])-(?=\d)", "−", text.replace("->", "→"))
    text = re.sub(r"(?<=\d\.\d\d)x\b|(?<= )x(?= )", "×", text)
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)


def _escaped(text: str) -> str:
    return re.sub("-(?=-)", "-{}", "".join(map(_character, text)))  # two hyphens would become a dash


def _character(character: str) -> str:
    if character in COMMANDS:
        return COMMANDS[character]
    if character.isascii() and character.isprintable():
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"[U+{ord(character):04X}]"
