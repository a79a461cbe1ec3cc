"""Which callers need a credential, by the settings; and whether a service may start without keys."""

import ipaddress
from typing import ClassVar

from runtime.settings import Settings, SettingsError

REQUIRED = "required"
OFF = "off"


class OpenServiceError(SettingsError):
    """The service would be open to everybody who reaches it; the message says how to close it."""

    reason: ClassVar[str] = "OPEN_SERVICE"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a server that listens on `host`.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("")
        (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host == "localhost"


def needs_credentials(settings: Settings) -> bool:
    """Tell whether a call without a key or a token is refused: by `auto`, beyond loopback."""
    return settings.auth == REQUIRED or (settings.auth != OFF and not is_loopback(settings.host))


def looks_at_credentials(settings: Settings) -> bool:
    """Tell whether keys and tokens that are sent are checked: always but with `off`."""
    return settings.auth != OFF


def check_keys(settings: Settings, live_keys: int) -> None:
    """Refuse to start a service that nobody could call, because it needs keys and there are none.

    Args:
        settings: all of them.
        live_keys: how many keys the database has that can be used.

    Raises:
        OpenServiceError: there are none, although the service needs them.
    """
    if needs_credentials(settings) and not live_keys and not settings.jwt_issuer:
        raise OpenServiceError(
            f"the service listens on {settings.host}, where callers need a key, and there is none: make the first one "
            "with `analytics keys create --first --name admin --scope admin.keys`, and start again; "
            "ANALYTICS_AUTH=off serves everybody without keys"
        )
