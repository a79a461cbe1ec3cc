"""Takes the values out of an event for `reference_rules`: of a message, and of JSON, into the same plain values."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from events.event_type import Field, Kind

Broken = tuple[str, str]
"""A violation without its words: path, as the caller writes it, and rule."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def values_of_message(message: Message, fields: Sequence[Field]) -> dict[str, Any]:
    """Take the set values of a message, by field name."""
    values = {}
    for field in fields:
        value = getattr(message, field.name)
        if field.kind is Kind.TEXTS:
            is_set = len(value) > 0
        elif field.kind is Kind.TEXT or not field.tracks_presence:
            is_set = bool(value)
        else:
            is_set = message.HasField(field.name)
        if is_set:
            values[field.name] = plain(value)
    return values


def plain(value: Any) -> Any:
    """Write a value of a message as JSON would be read: objects and lists are dicts and lists, 45.0 is 45."""
    if isinstance(value, Struct):
        return {key: plain(member) for key, member in value.fields.items()}
    if isinstance(value, ListValue):
        return [plain(item) for item in value.values]
    if isinstance(value, Value):
        kind = value.WhichOneof("kind")
        return None if kind in (None, "null_value") else plain(getattr(value, kind))
    if isinstance(value, float):
        return plain_number(value)
    return value if isinstance(value, str | int) else list(value)


def plain_number(value: float) -> float:
    """Write a double that is a whole number of 64 bits as one."""
    return int(value) if isfinite(value) and value == int(value) and -(2**63) < value < 2**64 else value


def values_of_json(
    members: Mapping[str, Any], fields: Sequence[Field], newer: Sequence[Field] = ()
) -> tuple[dict[str, Any], list[Broken]]:
    """Take the set values of a JSON object, by field name, and what no message could hold.

    Of fields that are too new for the event it matters only that they are set.
    """
    values: dict[str, Any] = {}
    broken: list[Broken] = []
    for name in members:
        field = next((field for field in fields if name in (field.name, field.json_name)), None)
        if field is None:
            broken.append((quote_key(name), "UNKNOWN_FIELD"))
        elif name != field.json_name and field.json_name in members:
            broken.append((field.json_name, "DUPLICATE_FIELD"))
        elif field in newer:
            says_nothing_when_empty = field.kind in (Kind.TEXT, Kind.TEXTS) or not (
                field.tracks_presence or field.kind is Kind.OBJECT
            )
            if members[name] if says_nothing_when_empty else members[name] is not None:
                values[field.name] = members[name]
        else:
            value, wrong = value_of(field, members[name])
            broken += [(field.json_name + place, "TYPE") for place in wrong]
            if value not in (None, "", []) and (value != 0 or field.tracks_presence):
                values[field.name] = value
    return values, broken


def value_of(field: Field, value: Any) -> tuple[Any, list[str]]:
    """Answer a JSON value as its field holds it, None where it says nothing, and the places of the wrong type."""
    if value is None:
        return None, []
    if field.kind is Kind.TEXTS and isinstance(value, list):
        return value, [f"[{index}]" for index, item in enumerate(value) if not isinstance(item, str)]
    if field.kind in _SAME:
        return (value, []) if isinstance(value, _SAME[field.kind]) else (None, [""])
    number = _number_of(value)
    if field.kind is Kind.INTEGER and number is not None:
        low, high = field.integer_range or (0, 0)
        is_text_of_double = isinstance(value, str) and re.fullmatch("-?[0-9]+", value) is None
        is_rounded = isinstance(value, float) and abs(value) > 2**53
        is_whole = isfinite(number) and number == int(number) and not is_text_of_double and not is_rounded
        number = int(number) if is_whole and low <= number <= high else None
    return number, [] if number is not None else [""]


_SAME: dict[Kind, type] = {Kind.TEXT: str, Kind.FLAG: bool, Kind.OBJECT: dict, Kind.TEXTS: list}


def _number_of(value: Any) -> float | None:
    """Take a number, or a text that is one as protobuf JSON writes it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch("-?[0-9]{1,20}", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|-?Infinity|NaN", value):
        return float(value)
    return None


def time_of_message(stamp: Timestamp) -> datetime | str:
    """Take a time, or the rule that it breaks."""
    if stamp.seconds < 0 or stamp.seconds >= 253_402_300_800 or not 0 <= stamp.nanos < 1_000_000_000:
        return "TIMESTAMP"
    return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def time_of_json(value: Any) -> datetime | str:
    """Take a time, or the rule that it breaks."""
    if not isinstance(value, str):
        return "TYPE"
    zone = "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
    match = re.fullmatch(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:]{{8}})(\.[0-9]{{1,9}})?({zone})", value)
    if match is None:
        return "TIMESTAMP"
    try:
        moment = datetime.strptime(match[1] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
        offset = datetime.strptime(match[3], "%z").utcoffset() or timedelta()
        moment = moment - offset + timedelta(microseconds=int(((match[2] or ".") + "000000")[1:7]))
    except (ValueError, OverflowError):
        return "TIMESTAMP"
    return moment if moment >= EPOCH else "TIMESTAMP"


def quote_key(key: str) -> str:
    """Write a key as paths quote it: its first 40 characters, what cannot be printed escaped."""
    return repr(key[:40])[1:-1] + ("..." if len(key) > 40 else "")
