"""Texts that other languages can render: whole messages with named values."""

from collections.abc import Iterable

COMMA, SEMICOLON, SPACE = ", ", "; ", " "


class Message(str):
    """An English text that keeps its template and its values, so that a catalogue can give it in another language.

    It is its English text wherever a text is wanted. Adding to it or cutting it leaves plain English.
    """

    singular: str
    plural: str
    number: int
    values: dict[str, object]


class Code(str):
    """A name in code, in backticks. inner: the name alone."""

    inner: str


class Joined(str):
    """Several texts in one, with a separator between them."""

    items: tuple[str, ...]
    separator: str


def say(template: str, /, **values: object) -> Message:
    """Write a message. The template is a literal, whole and in English; `{names}` stand for the values.

    >>> say("`{criterion}` was run alone.", criterion="taylor")
    '`taylor` was run alone.'
    """
    return _message(template, "", 1, values)


def say_many(singular: str, plural: str, number: int, /, **values: object) -> Message:
    """Write a message that depends on a number, which is also the value `{number}`.

    >>> say_many("{number} seed of {name}", "{number} seeds of {name}", 2_000, name="l1")
    '2,000 seeds of l1'
    """
    return _message(singular, plural, number, {"number": f"{number:,}"} | values)


def code(name: str) -> Code:
    """Write a name in code.

    >>> code("l1")
    '`l1`'
    """
    found = Code(f"`{name}`")
    found.inner = name
    return found


def joined(items: Iterable[str], separator: str = COMMA) -> Joined:
    """Join texts; another language has separators of its own.

    >>> joined([code("l1"), say("others")])
    '`l1`, others'
    """
    texts = tuple(items)
    found = Joined(separator.join(texts))
    found.items, found.separator = texts, separator
    return found


def marked(text: str, mark: str) -> str:
    """Set a mark, such as `†`, behind a text; an empty one is none.

    >>> marked(say("none"), "*"), marked("0.71", "")
    ('none *', '0.71')
    """
    return joined((text, mark), SPACE) if mark else text


def _message(singular: str, plural: str, number: int, values: dict[str, object]) -> Message:
    template = plural if plural and number != 1 else singular
    found = Message(template.format_map(values))
    found.singular, found.plural, found.number, found.values = singular, plural, number, values
    return found
