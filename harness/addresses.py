"""Addresses of Ray clusters: `local`, `auto`, HOST:PORT or ray://HOST:PORT."""

import re

from prunebench.errors import UserError

LOCAL = ("", "local")
AUTO = "auto"
CLIENT = "ray://"


def check_address(address: str) -> None:
    """Raise `UserError` for a text that is no address.

    >>> check_address("nowhere")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    prunebench.errors.UserError: --address nowhere: no HOST:PORT with a port up to 65535; give ...
    """
    if address not in (*LOCAL, AUTO):
        place(address)


def place(address: str) -> tuple[str, int]:
    """Return the host and the port.

    >>> place("ray://[::1]:10001")
    ('::1', 10001)
    """
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not (host and re.fullmatch("[0-9]{1,5}", port) and int(port) < 2**16):
        what = "no HOST:PORT with a port up to 65535"
        raise UserError(f"--address {address}: {what}; give an address such as 10.0.0.1:6379, auto or local")
    return host.strip("[]"), int(port)
