"""The languages of the page. Whatever a message contains of numbers, names and code is isolated from its words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations
from itertools import groupby
from pathlib import Path
from string import Formatter
from typing import Literal

from markupsafe import Markup, escape

from prunebench.errors import unknown
from prunebench.reports.language.message import COMMA, SEMICOLON, Code, Joined, Message

TRANSLATIONS = Path(__file__).parents[1] / "translations"
Kind = Literal["words", "value", "code"]
ENGLISH = "en"
LEFT_TO_RIGHT, RIGHT_TO_LEFT = "\N{LEFT-TO-RIGHT ISOLATE}", "\N{RIGHT-TO-LEFT ISOLATE}"
POP = "\N{POP DIRECTIONAL ISOLATE}"
_TOKEN = r"[-+±]?[A-Za-z0-9%](?:[!-'*-~]*[A-Za-z0-9%])?"  # signs, letters and digits of ASCII, no brackets
LATIN = re.compile(rf"({_TOKEN}(?: {_TOKEN})*)")  # a run of numbers and of words in Latin letters
NUMBER = re.compile(r"[^A-Za-z]*x?")  # with its signs, such as 25 % or 3.04 ± 0.01x
SEPARATORS = {
    COMMA: "\N{ARABIC COMMA} ",
    SEMICOLON: "\N{ARABIC SEMICOLON} ",
}  # of the languages that are written from right to left


@dataclass(frozen=True)
class Language:
    """A language of the page.

    code: as in `<html lang>`. direction: of its lines. Texts that are no messages stay as they are, in English.
    """

    code: str
    direction: Literal["ltr", "rtl"]

    def speaks(self, text: str) -> bool:
        """Tell whether the text can be given in this language; others stay English."""
        return self.code == ENGLISH or isinstance(text, Message | Joined | Code)

    def html(self, text: str) -> Markup:
        """Write a text as HTML, `names` in backticks as code.

        >>> from prunebench.reports.language.message import say
        >>> print(find_language("en").html(say("`a<b` loses {points} points.", points=-1)))
        <code>a&lt;b</code> loses -1 points.
        """
        if self.code == ENGLISH or not self.speaks(text):
            return code_markup(text)
        return Markup().join(_marked(kind, part) for kind, part in self._pieces(text))

    def plain(self, text: str) -> str:
        """Write a text without markup, for attributes and titles; signs of Unicode isolate values and names."""
        if self.code == ENGLISH or not self.speaks(text):
            return str(text)
        pieces = self._pieces(text)
        return "".join(part if kind == "words" else f"{LEFT_TO_RIGHT}{part}{POP}" for kind, part in pieces)

    def drawn(self, text: str) -> str:
        """Write a text of a figure, which runs from left to right; signs of Unicode turn words that do not."""
        turned = self.direction == "rtl" and self.has_words(text)
        return f"{RIGHT_TO_LEFT}{self.plain(text)}{POP}" if turned else str(text)

    def element(self, text: str, tag: str, style: str = "") -> Markup:
        """Write an element that holds a text. One in English says so where the page speaks another tongue."""
        attributes = Markup(' class="{}"').format(style) if style else Markup("")
        attributes += Markup("") if self.speaks(text) else Markup(' lang="en" dir="ltr"')
        return Markup("<{0}{1}>{2}</{0}>").format(tag, attributes, self.html(text))

    def inline(self, text: str, of_table: bool = False) -> Markup:
        """Write a value that stands among the words of the page, or in a table, which runs from left to right."""
        if self.code == ENGLISH or (of_table and not self.has_words(text)):
            return escape(text)
        if not self.speaks(text):
            return _marked("value", text)
        return Markup('<bdi dir="{}">{}</bdi>').format(self.direction, self.html(text)) if of_table else self.html(text)

    def has_words(self, text: str) -> bool:
        """Tell whether a text holds words that this language gives in its own letters, not signs and values alone."""
        pieces = self._pieces(text) if self.speaks(text) else ()
        return any(kind == "words" and any(map(str.isalpha, part)) for kind, part in pieces)

    def _pieces(self, text: str) -> Iterator[tuple[Kind, str]]:
        """Split a text into words of this language, values and code; neighbours of one kind of code are one."""
        for kind, parts in groupby(self._parts(text), key=lambda part: part[0]):
            if kind == "code":
                yield kind, "".join(part for _, part in parts)
            else:
                yield from parts

    def _parts(self, text: str) -> Iterator[tuple[Kind, str]]:
        match text:
            case Code(inner=inner):
                yield "code", inner
            case Joined(items=items, separator=separator):
                for number, item in enumerate(items):
                    if number:
                        yield "words", SEPARATORS.get(separator, separator)
                    yield from self._parts(item)
            case Message(values=values):
                yield from self._filled(self._template(text), values)
            case _:
                yield "value", text

    def _filled(self, template: str, values: dict[str, object]) -> Iterator[tuple[Kind, str]]:
        """Fill a template in. Between backticks all is code; numbers and Latin words elsewhere are values."""
        in_code = False
        for literal, name, _, _ in Formatter().parse(template):
            for number, part in enumerate(literal.split("`")):
                in_code ^= number > 0
                if in_code:
                    yield "code", part
                elif part:
                    yield from (("value" if i % 2 else "words", run) for i, run in enumerate(LATIN.split(part)) if run)
            if name is not None:
                value = values[name]
                if in_code:
                    yield "code", str(value)
                else:
                    yield from self._parts(value if isinstance(value, str) else str(value))

    def _template(self, message: Message) -> str:
        catalogue = _catalogue(self.code)
        if message.plural:
            return catalogue.ngettext(message.singular, message.plural, message.number)
        return catalogue.gettext(message.singular)


LANGUAGES = {one.code: one for one in (Language(ENGLISH, "ltr"), Language("fa", "rtl"))}


def find_language(code: str) -> Language:
    """Find a language by its code. Raises `UserError` for a code that no language has."""
    if not isinstance(code, str) or code not in LANGUAGES:
        raise unknown("language", str(code), LANGUAGES)
    return LANGUAGES[code]


def code_markup(text: str) -> Markup:
    """Escape a text and turn `names` in backticks into code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(str(text)))))


def _marked(kind: Kind, part: str) -> Markup:
    if kind == "words":
        return escape(part)
    if kind == "code":
        return Markup('<code dir="ltr">{}</code>').format(part)
    style = Markup(' class="number"') if NUMBER.fullmatch(part) else ""  # stays on one line
    return Markup('<bdi dir="ltr"{}>{}</bdi>').format(style, part)


@cache
def _catalogue(code: str) -> GNUTranslations:
    with (TRANSLATIONS / f"{code}.mo").open("rb") as file:
        return GNUTranslations(file)
