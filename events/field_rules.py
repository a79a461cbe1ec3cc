"""The rules of single values: quick tests for the common case, and the words for what is wrong in the other."""

import ipaddress
import string
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from math import isfinite

from iso4217 import Currency

from events import violations
from events.event_type import Field, Kind, is_version
from events.violations import Problem, quoted

CURRENCIES = frozenset(currency.code for currency in Currency)
"""The active codes of ISO 4217."""
ADDRESS_CACHE_SIZE = 4096
"""Parsing an address costs half an event, and one address sends many; so many texts take about 1 MB."""
LARGEST_DOUBLE = sys.float_info.max
MAX_EXACT_INTEGER = 2.0**53
"""Up to here each whole number is a double of its own."""

_UUID_SHAPE = b"00000000-0000-0000-0000-000000000000"
_SHAPE_OF_BYTES = bytes(
    ord("0") if chr(byte) in string.hexdigits else ord("-") if chr(byte) == "-" else 0 for byte in range(256)
)


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID of 36 characters, in either case; braces and "urn:uuid:" are not taken.

    Mapping each digit to 0 and comparing takes half as long as a regular expression.
    """
    return text.encode().translate(_SHAPE_OF_BYTES) == _UUID_SHAPE


@lru_cache(maxsize=ADDRESS_CACHE_SIZE)
def packed_address(text: str) -> bytes | None:
    """Parse an IP address into its 4 or 16 bytes; None where it is none, or names a zone of some machine.

    An IPv4 address in IPv6 clothes ("::ffff:203.0.113.7") is that IPv4 address: it is the same client.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return (address.ipv4_mapped or address).packed
    return address.packed


_FORMAT_TESTS: dict[str, Callable[[str], object]] = {
    "UUID": is_uuid,
    "CURRENCY": CURRENCIES.__contains__,
    "IP_ADDRESS": lambda text: packed_address(text) is not None,
    "VERSION": is_version,
}


def shape_test(field: Field) -> Callable[[str], object] | None:
    """Make the test of a text's shape: its format or its allowed values; None where any text will do."""
    if field.allowed_values:
        return frozenset(field.allowed_values).__contains__
    return _FORMAT_TESTS[field.format] if field.format else None


def bounds(field: Field) -> tuple[float, float]:
    """Answer the least and the largest value of a number; without a rule, what is finite."""
    low = -LARGEST_DOUBLE if field.minimum is None else field.minimum
    high = LARGEST_DOUBLE if field.maximum is None else field.maximum
    return low, high


def text_problems(field: Field, text: str) -> Iterator[Problem]:
    """Tell every rule that a non-empty text breaks, a text inside a list or an object included."""
    if "\0" in text:
        yield violations.NUL, "holds a NUL character (U+0000), which cannot be stored; remove it"
    test = shape_test(field)
    if test is not None and not test(text):
        yield _shape_problem(field, text)
    elif len(text) > field.max_length:
        yield violations.MAX_LENGTH, f"has {len(text)} characters; at most {field.max_length} are allowed"


def _shape_problem(field: Field, text: str) -> Problem:
    if field.allowed_values:
        return violations.ALLOWED_VALUES, f"is {quoted(text)}; allowed are {', '.join(field.allowed_values)}"
    if field.format == "CURRENCY":
        if text.upper() in CURRENCIES:
            return violations.CURRENCY, f"is {quoted(text)}; write the code in capitals: '{text.upper()}'"
        return violations.CURRENCY, f"is {quoted(text)}; an active ISO 4217 code is needed, such as 'USD' or 'EUR'"
    if field.format == "UUID":
        return violations.UUID, (
            f"is {quoted(text)}; a UUID of 36 characters is needed, such as '01890a5d-ac96-774b-bcce-b302099a8057'"
        )
    if field.format == "IP_ADDRESS":
        # The text is not repeated: it may be a client's address with something around it.
        return violations.IP_ADDRESS, "is no IPv4 or IPv6 address, such as '203.0.113.7'; send the address alone"
    return violations.VERSION, f"is {quoted(text)}; a version of three numbers is needed, such as '1.1.0'"


def number_problem(field: Field, value: float) -> Problem:
    """Tell the rule that a number outside of `bounds` breaks."""
    if not isfinite(value):
        return violations.FINITE, f"is {value}; a finite number is needed"
    low, high = bounds(field)
    unit = f" {field.unit}" if field.unit else ""
    if value < low:
        return violations.MINIMUM, f"is {plain_number(value)}; the least allowed is {plain_number(low)}{unit}"
    return violations.MAXIMUM, f"is {plain_number(value)}; the most allowed is {plain_number(high)}{unit}"


def plain_number(value: float) -> float:
    """Turn a finite double that is a whole number into an int, so that it prints without a fraction: 45.0 is 45.

    A double beyond 2**53 stays what it is: its own shortest form ("1e22") is exact, and JSON integers end at 64 bits.
    """
    if value % 1 or not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
        return value
    return int(value)


def missing(field: Field, owner: str) -> Problem:
    """Tell that a required field is not set. `owner`: what needs it, for example "view event"."""
    wants = "a text that is not empty" if field.kind is Kind.TEXT else field.kind.value
    return violations.REQUIRED, f"is missing; every {owner} needs it: {wants}"


def newer(since: str, version: str) -> Problem:
    """Tell that a field is set which the event's version does not have."""
    return violations.SINCE, (
        f"came with version {since}, and this event is of version {version}; leave it out, or say {since}"
    )
