"""What every stored value is checked by: limits of fields, and errors of one line. Torch-free."""

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints, ValidationError

from prunebench.errors import DamagedFileError, UserError, printable

_UNKNOWN_FIELD = ("Extra inputs are not permitted", "Unexpected keyword argument")
_MOST_FAULTS = 10_000  # that are looked at: each takes thousands of times its bytes in the file
LARGEST_FILE = 2**30  # bytes of JSON; a benchmark file of 10,000 records has about 400 MiB

_PLAIN = r"^[^\x00-\x1f\x7f-\x9f\ufffe\uffff]*$"  # no control characters, and none that end the drawing of a figure
Text = Annotated[str, StringConstraints(max_length=1_000_000, pattern=_PLAIN)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_PLAIN)]
Count = Annotated[int, Field(ge=0, le=2**60)]
Positive = Annotated[int, Field(ge=1, le=2**60)]
Number = Annotated[float, Field(ge=-1e40, le=1e40, allow_inf_nan=False)]  # squares and sums of these are finite
Amount = Annotated[float, Field(ge=0, le=1e40, allow_inf_nan=False)]
Above0 = Annotated[float, Field(ge=1e-40, le=1e40, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=1e-12, le=1, allow_inf_nan=False)]  # of something that is not empty
Scalar = bool | int | float | Text | None


Item = TypeVar("Item")
Items = Annotated[tuple[Item, ...], FailFast()]  # of a file's own length: the first wrong item tells enough


class Frozen(BaseModel):
    """Immutable model that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


F = TypeVar("F", bound=Frozen)


def versioned(kind: type[F], data: Any, where: str, what: str) -> F:
    """Validate data read from JSON whose `schema_version` must be the kind's own. where, what: for errors."""
    wanted = kind.model_fields["schema_version"].default
    version = data.get("schema_version") if isinstance(data, dict) else None
    if type(version) is not int or version != wanted:
        cure = "use the version that wrote it"
        raise UserError(f"{where}: {what} schema {short(version)}, this version reads schema {wanted}; {cure}")
    return validated(kind, data, f"{where}: corrupt {what}")


def validated(kind: type[F], data: Any, where: str) -> F:
    """Validate data read from JSON. Raises a `UserError` of one line that begins with `where`.

    The error is a `DamagedFileError` unless a field is unknown, as in a file of a later version, or many are wrong.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        if error.error_count() > _MOST_FAULTS:
            raise UserError(f"{where}: {error.error_count()} fields are wrong") from None
        later = any(words in str(error) for words in _UNKNOWN_FIELD)
        raise (UserError if later else DamagedFileError)(first_fault(error, where)) from None


def first_fault(error: ValidationError, where: str) -> str:
    """Say what is wrong with the first field that pydantic refuses."""
    first = error.errors(include_url=False)[0]
    place = ".".join(short(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        message = "holds a control character"
    return printable(": ".join(part for part in (where, place, message) if part))


def parse(text: bytes, where: str) -> Any:
    """Parse JSON. Raises a `DamagedFileError` of one line that begins with `where`."""
    try:
        return json.loads(text)
    except RecursionError:
        raise DamagedFileError(f"{where}: nested too deeply") from None
    except ValueError as error:  # wrong syntax or encoding
        raise DamagedFileError(printable(f"{where}: {error}")) from None


def read_bytes(path: Path) -> bytes:
    """Read a file of JSON. Raises `UserError` where it cannot be read, or is larger than `LARGEST_FILE`."""
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise UserError(f"{path}: {size / 2**20:.0f} MiB, more than any file of prunebench has")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def short(value: object, most: int = 80) -> str:
    """Write what a file gives for a message: in one line of at most so many characters."""
    text = printable(str(value))
    return text if len(text) <= most else f"{text[: most - 3]}..."
