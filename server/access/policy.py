"""Which callers need a credential, by the settings; and whether a service may start without keys."""

from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from runtime.addresses import is_loopback
from runtime.settings import Settings, SettingsError

REQUIRED = "required"
OFF = "off"
UPSTREAM = "upstream"
NO_KEYS = (
    "- Its callers need a key, and it has none. Create the first one, then start again:\n"
    "    analytics keys create --first --name admin --scope admin.keys\n"
    "  Or let everybody call it without a key: ANALYTICS_AUTH=off"
)
NO_TLS = (
    "- Other machines would reach it without TLS. Make a certificate for the name of this machine, then start again:\n"
    "    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem\n"
    "    export ANALYTICS_TLS_CERT_FILE=cert.pem ANALYTICS_TLS_KEY_FILE=key.pem\n"
    "  Or, behind a proxy that encrypts: ANALYTICS_TLS=upstream"
)


class OpenServiceError(SettingsError):
    """The service would be open to everybody who reaches it; the message says how to close it."""

    reason: ClassVar[str] = "OPEN_SERVICE"


def needs_credentials(settings: Settings) -> bool:
    """Tell whether a call without a key or a token is refused: by `auto`, beyond loopback."""
    return settings.auth == REQUIRED or (settings.auth != OFF and not is_loopback(settings.host))


def looks_at_credentials(settings: Settings) -> bool:
    """Tell whether keys and tokens that are sent are checked: always but with `off`."""
    return settings.auth != OFF


def key_problems(settings: Settings, *, live_keys: int) -> list[str]:
    """List what is missing for knowing the callers; empty if nothing is.

    Args:
        settings: all of them.
        live_keys: how many keys the database has that can be used.
    """
    is_safe = not needs_credentials(settings) or live_keys or settings.jwt_issuer
    return [] if is_safe else [NO_KEYS]


def tls_problems(settings: Settings) -> list[str]:
    """List what is missing for the encryption of the ports; empty if nothing is.

    Example:
        >>> tls_problems(Settings())
        []
    """
    is_safe = is_loopback(settings.host) or settings.tls == UPSTREAM or settings.tls_cert_file is not None
    return [] if is_safe else [NO_TLS]


def trusts_any_database(settings: Settings) -> bool:
    """Tell whether the database is on another machine, whose certificate nobody checks, by its URL.

    Example:
        >>> trusts_any_database(Settings(database_url="postgresql://db.example/analytics"))
        True
        >>> trusts_any_database(Settings(database_url="postgresql://db.example/analytics?sslmode=verify-full"))
        False
    """
    parts = urlsplit(settings.database_url or "")
    given = parse_qs(parts.query)
    host = parts.hostname or given.get("host", [""])[0]
    is_here = not host or host.startswith("/") or is_loopback(host)
    return not is_here and given.get("sslmode") != ["verify-full"]


def require_tls(settings: Settings) -> None:
    """Refuse to start what other machines reach without TLS.

    Raises:
        OpenServiceError: there is no certificate; the message says how to make one.
    """
    _refuse(settings, tls_problems(settings))


def require_safety(settings: Settings, *, live_keys: int) -> None:
    """Refuse to start a service that would be open, or that nobody could call.

    Args:
        settings: all of them.
        live_keys: how many keys the database has that can be used.

    Raises:
        OpenServiceError: keys or TLS are missing; the message lists each with the command that makes it.
    """
    _refuse(settings, [*key_problems(settings, live_keys=live_keys), *tls_problems(settings)])


def _refuse(settings: Settings, problems: list[str]) -> None:
    if problems:
        raise OpenServiceError("\n".join([f"the service does not start on {settings.host}:", *problems]))
