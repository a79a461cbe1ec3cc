"""Calls without a key on loopback: of this machine's own programs and pages, not of pages that a browser brought here.

A web page of somebody else can send requests to loopback: by its own origin, or, after DNS rebinding, by a name that
suddenly means 127.0.0.1. Both leave traces that a page cannot remove: the header `origin`, and the name in `host`.
"""

from collections.abc import Collection

from runtime.addresses import is_loopback
from server.access.errors import ForeignCallError

ANY_ORIGIN = "*"


def refuse_foreign(authority: str, origin: str, origins: Collection[str]) -> None:
    """Refuse a call without a key that a page of somebody else may have caused.

    Args:
        authority: the name and port by which the gateway was called; empty for a direct gRPC call, which no browser can
            make: it speaks HTTP/2 over plain text to nobody.
        origin: the web origin that a browser names; empty without one.
        origins: those whose pages may call (ANALYTICS_CORS_ORIGINS).

    Raises:
        ForeignCallError: the name is not one of loopback, or the origin neither listed nor the service itself.

    Example:
        >>> refuse_foreign("localhost:3006", "http://localhost:3006", ())
    """
    if not authority:
        return
    if not is_loopback(_host(authority)):
        raise ForeignCallError("its host is not a name of loopback")
    is_own = origin.partition("://")[2] == authority
    if origin and not is_own and origin not in origins and ANY_ORIGIN not in origins:
        raise ForeignCallError("its origin is not one of ANALYTICS_CORS_ORIGINS")


def _host(authority: str) -> str:
    """Take the port away.

    Example:
        >>> _host("[::1]:3006"), _host("localhost")
        ('[::1]', 'localhost')
    """
    host, _, port = authority.rpartition(":")
    return host if host and port.isdecimal() else authority
