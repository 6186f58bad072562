"""How each front end words an option. A message names `--round-to`; a Python call says `round_to` instead."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prunebench.errors import CellError, UserError

_NAME = r"(?<![\w-])--(?P<no>no-)?(?P<name>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)"
_BUDGET = r"[a-z]+=[\d.,e-]*\d"
# `--NAME VALUE: ` begins a message, `give --NAME VALUE` ends a sentence, and a flag is added; elsewhere a value is a
# number, a budget such as macs=0.5, or a word in capitals
_FIRST = re.compile(rf"^{_NAME} (?P<value>\S*)(?=: )")
_GIVEN = re.compile(rf"(?<=give ){_NAME} (?P<value>[a-z][\w:]*)(?=$|[;,)])")
_FLAG = re.compile(rf"(?<=add ){_NAME}(?=$|[;,)])")
_OPTION = re.compile(rf"{_NAME}(?: (?P<value>-?\d[\w.,-]*\b|{_BUDGET}|[A-Z]+\b))?")
_KEEP = re.compile(rf"(?<![\w-])(?P<no>)(?P<name>keep) (?P<value>{_BUDGET})")  # no option, but the keep of a cut

log = logging.getLogger("prunebench")


def python_words(text: str, names: Mapping[str, str] | None = None) -> str:
    """Write options as arguments of a Python call. names: of arguments that differ from their options.

    >>> python_words("--keep macs=2: 2 is outside (0, 1]", {"keep": "keeps"})
    'keeps={"macs": 2}: 2 is outside (0, 1]'
    >>> python_words("keep macs=0.01 cannot be reached")
    'keep={"macs": 0.01} cannot be reached'
    >>> python_words("lower --floor or --round-to 8, or leave --no-coupled out")
    'lower floor or round_to=8, or leave coupled=False out'
    """

    def worded(found: re.Match[str]) -> str:
        option, value = found["name"].replace("-", "_"), found.groupdict().get("value")
        name = (names or {}).get(option, option)
        if found["no"] or found.re is _FLAG:
            return f"{name}={not found['no']}"
        return name if value is None else f"{name}={_value(value)}"

    text = _FIRST.sub(worded, text, count=1)
    for pattern in (_GIVEN, _FLAG, _OPTION, _KEEP):
        text = pattern.sub(worded, text)
    return text


def _value(text: str) -> str:
    metric, _, numbers = text.rpartition("=")
    if re.fullmatch(_BUDGET, text):
        return f'{{"{metric}": {f"[{numbers}]" if "," in numbers else numbers}}}'
    return text if re.fullmatch(r"-?\d+(\.\d*)?(e-?\d+)?", text) else repr(text)


@contextmanager
def in_python_words(**names: str) -> Iterator[None]:
    """Name options as arguments in errors and in lines of the log; a cell's error is the caller's.

    names: of arguments that differ from their options, such as ``keep="keeps"``.
    """

    def reworded(record: logging.LogRecord) -> bool:
        record.msg, record.args = python_words(record.getMessage(), names), ()
        return True

    log.addFilter(reworded)
    try:
        yield
    except (UserError, CellError) as error:
        worded = UserError(python_words(str(error), names))
        worded.typed = typed(error)
        raise worded from None
    finally:
        log.removeFilter(reworded)


def typed(error: BaseException | None) -> str:
    """Return an error's message as the command line words it, where a Python call has reworded it."""
    return getattr(error, "typed", None) or str(error)
