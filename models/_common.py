"""Checks shared by several model families."""

from prunebench import UserError


def check_size(name: str, size: int, smallest: int) -> None:
    """Raise `UserError` if pictures are too small for a network."""
    if size < smallest:
        needed = f"{name} needs pictures of at least {smallest} x {smallest} pixels"
        raise UserError(f"{needed}, these have {size} x {size}; give the dataset size={smallest}")


def check_width(name: str, width: float) -> None:
    """Raise `UserError` if a width factor is outside (0, 8]."""
    if not 0 < width <= 8:
        raise UserError(f"option width={width:g} of '{name}' must be in (0, 8]; 0.5 halves all widths")
