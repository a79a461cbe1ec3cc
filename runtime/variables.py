"""Parsers of environment variables; each parser's ValueError says what the text must be."""

import math
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from runtime.cron import OFF, Cron

UNIX = "unix:"
"""What the address of a unix socket starts with, as gRPC writes it."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,*]+")
"""Scheme and host, with a port where it is not the scheme's own, and nothing after it: as browsers send it."""
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Read an integer in `low..high`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"must be a whole number, not {text!r}") from None
        if not low <= value <= high:
            raise ValueError(f"must be in {low}..{high}, not {value}")
        return value

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Read a number of seconds in `low..high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"must be a number of seconds in {low}..{high}, not {text!r}")
        return value

    return parse


def choice(*allowed: str) -> Callable[[str], str]:
    """Read one of a few words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {text!r}")
        return text.lower()

    return parse


def secret(least: int) -> Callable[[str], str]:
    """Read a string of `least` characters or more; no message quotes it."""

    def parse(text: str) -> str:
        if len(text) < least:
            raise ValueError(f"must have at least {least} characters")
        return text

    return parse


def cron_line(text: str) -> str:
    """Read a cron expression, by the library that runs it."""
    line = " ".join(text.lower().split())
    try:
        Cron(line)
    except ValueError as exc:
        raise ValueError(
            f'must be five cron fields, six with seconds in front, or "{OFF}", not {text!r}: {exc}'
        ) from None
    return line


def listed(parse_one: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Read a list that is separated by commas."""

    def parse(text: str) -> tuple[str, ...]:
        return tuple(parse_one(part.strip()) for part in text.split(",") if part.strip())

    return parse


def upstream_list(text: str) -> tuple[str, ...]:
    """Read the servers behind a gateway: HOST:PORT each, or unix:PATH each."""
    found = listed(_upstream)(text)
    if len({one.startswith(UNIX) for one in found}) > 1:
        raise ValueError("must be all HOST:PORT or all unix:PATH")
    return found


def _upstream(text: str) -> str:
    host, _, port = text.rpartition(":")
    is_socket = text.startswith(f"{UNIX}/")
    if not is_socket and (not host or not port.isdecimal() or not 0 < int(port) < 1 << 16):
        raise ValueError(f"must be HOST:PORT or unix:PATH, separated by commas, not {text!r}")
    return text


def origin(text: str) -> str:
    """Read a web origin, or "*" for any."""
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError(f"must be origins such as https://shop.example, separated by commas, or *, not {text!r}")
    return text


def jwks_place(text: str) -> str:
    """Read the place of a JSON Web Key Set: an https:// URL, an http:// one of this machine, or a path."""
    parts = urlsplit(text)
    is_local = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme and parts.scheme != "https" and not is_local:
        raise ValueError("must be an https:// URL or the path of a file")
    return text


def postgres_url(text: str) -> str:
    """Read a database's URL; no message quotes it, since it may have a password."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://, as in postgresql://user:password@host:5432/database")
    try:
        parts = urlsplit(text)
        _ = parts.port
        is_whole = "@" not in parts.path + parts.query + parts.fragment and not _BAD_ESCAPE.search(text)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(
            "cannot be read: write special characters of the password as in %40 for @, %2F for /, %23 for #, %3F for ? "
            "and %25 for %, or leave the password out and set PGPASSWORD"
        )
    return text
