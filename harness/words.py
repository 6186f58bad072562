"""How each front end words an option. A message names `--round-to`; a Python call says `round_to` instead."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prunebench.errors import CellError, UserError

_NAME = r"(?<![\w-])--(?P<no>no-)?(?P<name>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)"
# `--NAME VALUE: ` begins a message; elsewhere a value is a number, a budget such as macs=0.5, or a word in capitals
_FIRST = re.compile(rf"^{_NAME} (?P<value>\S*)(?=: )")
_OPTION = re.compile(rf"{_NAME}(?: (?P<value>-?\d[\w.,-]*\b|[a-z]+=[\d.,]*\d|[A-Z]+\b))?")
_KEEP = re.compile(r"(?<![\w-])(?P<name>keep) (?P<value>[a-z]+=[\d.,]*\d)")  # a budget that is no option, as of a cut

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
        option = found["name"].replace("-", "_")
        name = (names or {}).get(option, option)
        if found.groupdict().get("no"):
            return f"{name}=False"
        if found["value"] is None:
            return name
        return f"{name}={_value(found['value'])}"

    return _KEEP.sub(worded, _OPTION.sub(worded, _FIRST.sub(worded, text, count=1)))


def _value(text: str) -> str:
    metric, equals, numbers = text.rpartition("=")
    if equals and metric.isidentifier():
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
