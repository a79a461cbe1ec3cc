"""Hosts and addresses: which of them are this machine's own, and how it reaches them."""

import ipaddress

LOOPBACK = "127.0.0.1"
"""Where the admin port listens."""
LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what nobody can call
"""Hosts that mean every address of the machine, each with the loopback address to call."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens on `host`.

    Example:
        >>> is_loopback("[::1]"), is_loopback("0.0.0.0"), is_loopback("localhost")
        (True, False, True)
    """
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare.lower() == "localhost"


def callable_address(host: str, port: int) -> str:
    """Return the address by which this machine reaches a server that listens on `host`.

    Example:
        >>> callable_address("::", 50051)
        '[::1]:50051'
    """
    bare = host.removeprefix("[").removesuffix("]")
    reached = LOOPBACK_OF.get(bare, bare)
    return f"[{reached}]:{port}" if ":" in reached else f"{reached}:{port}"
