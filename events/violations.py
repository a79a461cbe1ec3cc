"""Violations of an event: their form, the names of the rules, and how they quote values."""

from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

MAX_QUOTED_CHARACTERS = 40
"""How much of a value a description quotes: enough to recognise it, too little to leak a payload."""
MAX_VIOLATIONS = 32
"""More than the fields of any type, so every ordinary mistake is reported; a hostile event cannot enlarge answers."""

NO_PAYLOAD = "NO_PAYLOAD"
PAYLOAD_AND_DATA = "PAYLOAD_AND_DATA"
EVENT_TYPE_MISMATCH = "EVENT_TYPE_MISMATCH"
UNKNOWN_EVENT_TYPE = "UNKNOWN_EVENT_TYPE"
UNKNOWN_VERSION = "UNKNOWN_VERSION"
SUNSET_VERSION = "SUNSET_VERSION"
SINCE = "SINCE"
REQUIRED = "REQUIRED"
MINIMUM = "MINIMUM"
MAXIMUM = "MAXIMUM"
FINITE = "FINITE"
NUMBER_RANGE = "NUMBER_RANGE"
UUID = "UUID"
CURRENCY = "CURRENCY"
IP_ADDRESS = "IP_ADDRESS"
VERSION = "VERSION"
MAX_LENGTH = "MAX_LENGTH"
ALLOWED_VALUES = "ALLOWED_VALUES"
MAX_ITEMS = "MAX_ITEMS"
MAX_DEPTH = "MAX_DEPTH"
NUL = "NUL"
TIMESTAMP = "TIMESTAMP"
TOO_OLD = "TOO_OLD"
TYPE = "TYPE"
JSON = "JSON"
UNKNOWN_FIELD = "UNKNOWN_FIELD"
DUPLICATE_FIELD = "DUPLICATE_FIELD"
TOO_MANY_VIOLATIONS = "TOO_MANY_VIOLATIONS"


Problem = tuple[str, str]
"""A broken rule and its description, before it is known which field broke it."""


class Violation(NamedTuple):
    """One thing that is wrong with an event."""

    field: str
    """Path to the field as the caller writes it: "view.content_id" in a message, "data.contentId" in JSON."""
    rule: str
    """The rule it breaks, in UPPER_SNAKE: a constant of this module."""
    description: str
    """What was found, what is allowed and what to do; the field is its subject."""


def bounded(violations: list[Violation]) -> list[Violation]:
    """Cut the list to `MAX_VIOLATIONS`; a last entry then says that there were more."""
    if len(violations) <= MAX_VIOLATIONS:
        return violations
    rest = Violation("", TOO_MANY_VIOLATIONS, f"there are more than {MAX_VIOLATIONS} violations; fix these first")
    return [*violations[:MAX_VIOLATIONS], rest]


def quoted(text: str) -> str:
    """Quote the beginning of a string, safe to print and to store: control characters are escaped."""
    return repr(text) if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]!r}..."


def key_path(path: str, key: str) -> str:
    """Extend a path by the key of an object; the key is cut and escaped like all text from callers."""
    return f"{path}.{repr(key[:MAX_QUOTED_CHARACTERS])[1:-1]}{'...' if len(key) > MAX_QUOTED_CHARACTERS else ''}"


@lru_cache(maxsize=1024)  # comparing costs as much as several events, and a client's mistake repeats itself
def nearest(name: str, known: tuple[str, ...]) -> str | None:
    """Find the known name that is most similar to `name`; None if none is similar."""
    if len(name) > 2 * MAX_QUOTED_CHARACTERS:
        return None
    return next(iter(get_close_matches(name, known, n=1)), None)
