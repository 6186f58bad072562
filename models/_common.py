"""Checks shared by several model families."""

from typing import Annotated

from pydantic import Field

from prunebench import UserError

Width = Annotated[float, Field(gt=0, le=8)]  # factor of all widths


def check_size(name: str, size: int, smallest: int) -> None:
    """Raise `UserError` if pictures are too small for a network."""
    if size < smallest:
        needed = f"{name} needs pictures of at least {smallest} x {smallest} pixels"
        raise UserError(f"{needed}, these have {size} x {size}; give the dataset size={smallest}")
