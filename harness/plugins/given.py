"""Plugins that a call was given as objects. A token stands for them among the values of `plugin`."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

_PREFIX = "given:"
_objects: dict[str, tuple[Any, ...]] = {}  # by token


@contextmanager
def offered(plugins: Sequence[Any]) -> Iterator[tuple[str, ...]]:
    """Offer criteria, datasets and models to registries inside. Yields the token, or nothing without plugins.

    >>> with offered(["a criterion"]) as tokens:
    ...     found = objects(("file.py", *tokens))
    >>> found, objects(tokens)
    (('a criterion',), ())
    """
    tokens = (_PREFIX + uuid.uuid4().hex,) if plugins else ()
    _objects.update(dict.fromkeys(tokens, tuple(plugins)))
    try:
        yield tokens
    finally:
        for token in tokens:
            del _objects[token]


def is_token(text: str) -> bool:
    """Tell a token from a plugin file or module."""
    return text.startswith(_PREFIX)


def objects(plugins: Sequence[str]) -> tuple[Any, ...]:
    """Return the objects that the tokens among the values of `plugin` stand for."""
    return tuple(one for text in plugins for one in _objects.get(text, ()))


def given(plugins: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Return the objects by token, for `adopt_given` in a worker process."""
    return {text: _objects[text] for text in plugins if text in _objects}


def adopt_given(found: Mapping[str, tuple[Any, ...]]) -> None:
    """Offer the objects of the parent process."""
    _objects.update(found)
