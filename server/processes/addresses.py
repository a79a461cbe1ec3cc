"""Addresses by which clients reach a server that listens on a host and a port."""

LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what nobody can call
"""Hosts that mean every address of the machine, each with the loopback address to call."""


def callable_address(host: str, port: int) -> str:
    """Return the address by which this machine reaches a server that listens on `host`.

    Example:
        >>> callable_address("::", 50051)
        '[::1]:50051'
    """
    bare = host.removeprefix("[").removesuffix("]")
    reached = LOOPBACK_OF.get(bare, bare)
    return f"[{reached}]:{port}" if ":" in reached else f"{reached}:{port}"
