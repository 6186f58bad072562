"""What several families share."""

from prunebench import UserError


def check_size(name: str, size: int, smallest: int) -> None:
    """Raise `UserError` for pictures that are too small for a network."""
    if size < smallest:
        raise UserError(f"{name} needs pictures of at least {smallest} x {smallest} pixels, these have {size} x {size}")


def check_width(name: str, width: float) -> None:
    """Raise `UserError` for a factor of widths that gives no sensible network."""
    if not 0 < width <= 8:
        raise UserError(f"option width={width:g} of '{name}' must be in (0, 8]")
