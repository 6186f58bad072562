"""Hostile files for fuzzing: valid content with random edits, and the limits that whatever reads it must keep."""

import copy
import json
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from prunebench.errors import UserError

SECONDS, MEMORY, LINE = 2, 2**30, 4000  # CPU time and bytes of one reading; characters of one message
LONG = 2_000_000  # characters that a repeated list may have: a list of lists repeated twice would fill any memory
FEW, MANY = 150, 10_000  # examples of a test in every run, and in the slow tier

RAW = {  # texts of JSON that no Python value gives
    "deep": "[" * 10_000 + "]" * 10_000,
    "deep keys": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "1e999": "1e999",
    "5000 digits": "9" * 5000,
    "NaN": "NaN",
    "-Infinity": "-Infinity",
}
MARK, AGAIN = "\ue000", "\ue001"  # before the name of a raw text; behind a key that stands twice
WAYS_OUT = ("../../../outside", "/outside", "..", ".", "a/../../../../outside", "C:\\outside", "~/outside", "a\0/../b")
NUMBERS = (-1, 0, 1, 2**31, 2**53 + 1, 2**60, 2**63, 2**64, 10**30, -(10**30), 0.5, 1e-300, 1e308, -1e308)
TEXTS = ("", "\ud800", "\ufffe", "\uffff", "a\0b", "a\nb", "\u202eb", "\x1b[2J", "a" * 2000, "é" * 100_000, "<b>|`")
TEXT = st.text(st.characters(), max_size=20)
ODD = st.sampled_from([None, True, False, [], {}, [[]], *NUMBERS, *TEXTS, *WAYS_OUT, *(MARK + name for name in RAW)])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda some: st.lists(some, max_size=4) | st.dictionaries(TEXT, some, max_size=4),
    max_leaves=6,
)
EDITS = ("put", "put", "put", "drop", "beside", "again", "twice", "many", "swap")
FORMS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32-be", "latin-1")


class Content(SimpleNamespace):
    """Drawn content. draw: of hypothesis."""

    draw: Callable[[Any], Any]

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def place(self, data: Any) -> tuple[Any, Any]:
        """Draw a dict or list inside the data, and one of its keys."""
        key = self.one_of(*(data if isinstance(data, dict) else range(len(data))))
        inside = data[key]
        if isinstance(inside, dict | list) and inside and self.draw(st.integers(0, 4)):
            return self.place(inside)
        return data, key

    def edited(self, data: Any) -> Any:
        """Edit data of JSON in one to three places."""
        data = copy.deepcopy(data)
        for _ in range(self.draw(st.integers(1, 3))):
            if data:
                self._edit(data)
        return data

    def _edit(self, data: Any) -> None:
        inside, key = self.place(data)
        match self.one_of(*EDITS):
            case "put":
                inside[key] = self._odd()
            case "drop":
                del inside[key]
            case "beside" if isinstance(inside, dict):
                inside[self.draw(TEXT | st.sampled_from(TEXTS + WAYS_OUT))] = inside[key]
            case "again" if isinstance(inside, dict):
                inside[f"{key}{AGAIN}"] = self._odd()
            case "twice" if isinstance(inside, list):
                inside.append(inside[key])
            case "many" if isinstance(inside[key], list):
                times = min(1000, LONG // len(json.dumps(inside[key])) + 1)
                inside[key] = [copy.deepcopy(one) for _ in range(times) for one in inside[key]]  # no edit hits two
            case _:
                other, place = self.place(data)
                inside[key] = copy.deepcopy(other[place])

    def _odd(self) -> Any:
        """Draw a value, as a copy: a later edit would change the lists and dicts that all examples share."""
        return copy.deepcopy(self.draw(ODD | ANY))

    def bytes_of(self, content: bytes) -> bytes:
        """Edit bytes in one to four places."""
        for _ in range(self.draw(st.integers(1, 4))):
            start, length = self.draw(st.integers(0, len(content))), self.draw(st.integers(0, 64))
            head, rest = content[:start], content[start + length :]
            middle = content[start : start + length]
            match self.one_of("flip", "cut", "insert", "delete", "repeat"):
                case "flip" if rest:
                    content = head + middle + bytes([rest[0] ^ (1 << self.draw(st.integers(0, 7)))]) + rest[1:]
                case "cut":
                    content = head
                case "insert":
                    content = head + self.draw(st.binary(max_size=32)) + middle + rest
                case "repeat":
                    content = head + middle * 3 + rest
                case _:
                    content = head + rest
        return content

    def json(self, data: Any) -> bytes:
        """Edit data of JSON, or its bytes."""
        if not self.draw(st.integers(0, 4)):
            return self.bytes_of(json.dumps(data).encode())
        text = json.dumps(self.edited(data)).replace(json.dumps(AGAIN)[1:-1], "")
        for name, raw in RAW.items():
            text = text.replace(json.dumps(MARK + name), raw)
        return text.encode(self.one_of(*FORMS))


@contextmanager
def bounded() -> Iterator[None]:
    """Fail what takes longer than `SECONDS` of CPU time, or allocates more than `MEMORY` bytes."""
    hung: list[int] = []

    def stop(*_: object) -> None:
        hung.append(1)
        raise TimeoutError("hangs")

    limits, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGPROF, stop)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, limits[1]))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert not hung, "hangs"


def bear(action: Callable[[], Any]) -> Any:
    """Do a reading within the limits. Returns its result, or None where it is refused in one line."""
    with bounded():
        try:
            return action()
        except UserError as error:
            text = str(error)
    assert text.strip() and not set("\n\r") & set(text) and len(text) <= LINE, text[:LINE]
    text.encode()  # no half of a surrogate pair
    return None


@pytest.fixture(params=[FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def attack(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Give the function that calls a body with drawn content, many times. share: of the usual number of examples."""

    def attack(body: Callable[[Content], object], share: float = 1.0) -> None:
        given(st.data())(
            settings(
                max_examples=int(request.param * share),
                deadline=None,
                database=None,
                derandomize=request.param == FEW,  # a run of CI repeats
                print_blob=True,
                phases=[Phase.generate],  # shrinking takes minutes, and traces what is timed
                suppress_health_check=list(HealthCheck),
            )(lambda data: body(Content(draw=data.draw)))
        )()

    return attack


@pytest.fixture(scope="session")
def bearing() -> Callable[[Callable[[], Any]], Any]:
    """Give `bear`: tests cannot import a conftest."""
    return bear
