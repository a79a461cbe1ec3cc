"""The rules of single values: fast tests for valid values, and descriptions of the problems of invalid ones."""

import ipaddress
import re
import string
from collections.abc import Callable, Iterator
from functools import lru_cache
from math import isfinite, nextafter
from typing import Any

from iso4217 import Currency

from events import violations
from events.event_type import Field, Kind, is_version
from events.violations import Problem, quoted

CURRENCIES = frozenset(currency.code for currency in Currency)
"""The active codes of ISO 4217."""
ADDRESS_CACHE_SIZE = 4096
"""Parsing an address costs half as much as an event, and one client sends many events; the cache takes about 1 MB."""
MAX_EXACT_INTEGER = 2.0**53
"""Up to here a double represents each whole number exactly."""
LEAST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
"""The whole numbers that 64 bits hold, with or without a sign: what JSON parsers and columns keep exactly."""
LEAST_NUMBER, LARGEST_NUMBER = nextafter(-(2.0**63), 0), nextafter(2.0**64, 0)
"""The doubles within them. A parser that meets a longer whole number makes a double of it, which is beyond these."""

is_decimal_integer = re.compile("-?[0-9]{1,20}").fullmatch
"""A whole number in a JSON string, as protobuf writes 64-bit ones; 20 digits are enough for all of them."""
is_decimal = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,1100})?([eE][+-]?[0-9]{1,4})?|-?Infinity|NaN").fullmatch
"""A number in a JSON string, as protobuf JSON allows; no double prints with more digits."""

_UUID_SHAPE = b"00000000-0000-0000-0000-000000000000"
_SHAPE_OF_BYTES = bytes(
    ord("0") if chr(byte) in string.hexdigits else ord("-") if chr(byte) == "-" else 0 for byte in range(256)
)


def is_uuid(text: str) -> bool:
    """Return whether a string is a UUID of 36 characters, in either case; braces and "urn:uuid:" are not accepted.

    Mapping each digit to 0 and comparing takes half as long as a regular expression.
    """
    return text.encode().translate(_SHAPE_OF_BYTES) == _UUID_SHAPE


@lru_cache(maxsize=ADDRESS_CACHE_SIZE)
def packed_address(text: str) -> bytes | None:
    """Parse an IP address into its 4 or 16 bytes; None if it is invalid or has an IPv6 zone.

    An IPv4-mapped IPv6 address ("::ffff:203.0.113.7") becomes the IPv4 address: it is the same client.
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
    """Return the test of a string's format or allowed values; None if any string is valid."""
    if field.allowed_values:
        return frozenset(field.allowed_values).__contains__
    return _FORMAT_TESTS[field.format] if field.format else None


def bounds(field: Field) -> tuple[float, float]:
    """Return the least and the largest value of a number; without a rule, those of 64 bits."""
    low = LEAST_NUMBER if field.minimum is None else field.minimum
    high = LARGEST_NUMBER if field.maximum is None else field.maximum
    return low, high


def text_problems(field: Field, text: str) -> Iterator[Problem]:
    """Yield every rule that a non-empty string breaks, including strings inside a list or an object."""
    if "\0" in text:
        yield violations.NUL, "contains a NUL character (U+0000), which cannot be stored; remove it"
    test = shape_test(field)
    if test is not None and not test(text):
        yield _shape_problem(field, text)
    elif len(text) > field.max_length:
        yield violations.MAX_LENGTH, f"has {len(text)} characters; at most {field.max_length} are allowed"


def _shape_problem(field: Field, text: str) -> Problem:
    if field.allowed_values:
        return violations.ALLOWED_VALUES, f"is {quoted(text)}; must be one of {', '.join(field.allowed_values)}"
    if field.format == "CURRENCY":
        if text.upper() in CURRENCIES:
            return violations.CURRENCY, f"is {quoted(text)}; write the code in upper case: '{text.upper()}'"
        return violations.CURRENCY, f"is {quoted(text)}; expected an active ISO 4217 code, such as 'USD' or 'EUR'"
    if field.format == "UUID":
        return violations.UUID, (
            f"is {quoted(text)}; expected a UUID of 36 characters, such as '01890a5d-ac96-774b-bcce-b302099a8057'"
        )
    if field.format == "IP_ADDRESS":
        # The text is not repeated: it may be a client's address with something around it.
        return violations.IP_ADDRESS, "is not an IPv4 or IPv6 address, such as '203.0.113.7'; send only the address"
    return violations.VERSION, f"is {quoted(text)}; expected a version of three numbers, such as '1.1.0'"


def number_problem(field: Field, value: float) -> Problem:
    """Return the rule that a number outside of `bounds` breaks."""
    if not isfinite(value):
        return violations.FINITE, f"is {value}; expected a finite number"
    low, high = bounds(field)
    unit = f" {field.unit}" if field.unit else ""
    if value < low:
        return violations.MINIMUM, f"is {plain_number(value)}; the minimum is {plain_number(low)}{unit}"
    return violations.MAXIMUM, f"is {plain_number(value)}; the maximum is {plain_number(high)}{unit}"


def integer_bounds(field: Field) -> tuple[int, int]:
    """Return the least and the largest whole number that a field's rule and type allow."""
    low, high = field.integer_range or (LEAST_INTEGER, LARGEST_INTEGER)
    return (
        low if field.minimum is None else max(low, int(field.minimum)),
        high if field.maximum is None else min(high, int(field.maximum)),
    )


def integer_problems(field: Field, value: int) -> Iterator[Problem]:
    """Yield the problems of a whole number; one from JSON may be out of range of its field's type."""
    low, high = field.integer_range or (LEAST_INTEGER, LARGEST_INTEGER)
    if not low <= value <= high:
        yield wrong_type(field, value)
    elif not integer_bounds(field)[0] <= value <= integer_bounds(field)[1]:
        yield number_problem(field, value)


def whole_number(value: Any) -> int | None:
    """Read a JSON value as a whole number: 45, 45.0 or "45"; None if it is not one, or lost precision in parsing."""
    if value.__class__ is int:
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= MAX_EXACT_INTEGER else None
    return int(value) if isinstance(value, str) and is_decimal_integer(value) else None


def number(value: Any) -> float | None:
    """Read a JSON value as a number, or as a string that holds one; None if it is neither."""
    if isinstance(value, str):
        return int(value) if is_decimal_integer(value) else float(value) if is_decimal(value) else None
    return value if value.__class__ in (int, float) else None


def plain_number(value: float) -> float:
    """Turn a double that is a whole number of 64 bits into an int: it prints without a fraction, 45.0 as 45.

    So a number is stored alike, whether it came as a double or as an integer in JSON.
    """
    if value % 1 or not LEAST_NUMBER <= value <= LARGEST_NUMBER:
        return value
    return int(value)


def missing(field: Field, owner: str) -> Problem:
    """Describe a required field that is not set. `owner`: what needs it, for example "view event"."""
    wants = "a non-empty string" if field.kind is Kind.TEXT else field.kind.value
    return violations.REQUIRED, f"is missing; every {owner} needs it: {wants}"


def newer(since: str, version: str) -> Problem:
    """Describe a field that is set although the event's version does not have it."""
    return violations.SINCE, (
        f"was added in version {since}, and this event has version {version}; leave it out, or send version {since}"
    )


def wrong_type(field: Field, value: Any) -> Problem:
    """Describe a field whose JSON value is of the wrong kind."""
    problem = f"is {describe(value)}; expected {field.kind}"
    if field.integer_range is not None:
        problem += f" from {field.integer_range[0]} to {field.integer_range[1]}"
    return violations.TYPE, problem


def describe(value: Any) -> str:
    """Describe a JSON value, and quote it if it is short: "the number 5", "the string 'abc'", "a list"."""
    if isinstance(value, str):
        return f"the string {quoted(value)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"the number {value!r}"
    return kind_of(value)


def kind_of(value: Any) -> str:
    """Name the kind of a JSON value without quoting it, for values that may contain a client's address."""
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(value.__class__, "null")
