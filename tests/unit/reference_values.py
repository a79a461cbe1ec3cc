"""Takes the values out of a payload for `reference_rules`: of a typed message, and of `data`, into the same dict."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from events.event_type import Field, Kind

Broken = tuple[str, str, str]
"""A violation without its words: path in the .proto files, path in JSON, and rule."""


def values_of_message(message: Message, fields: Sequence[Field]) -> dict[str, Any]:
    """Take the set values of a typed message, by field name."""
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
            values[field.name] = list(value) if field.kind is Kind.TEXTS else value
    return values


def values_of_data(data: Struct, fields: Sequence[Field]) -> tuple[dict[str, Any], list[Broken]]:
    """Take the set values of `data`, by field name, and what no typed message could hold."""
    values: dict[str, Any] = {}
    broken: list[Broken] = []
    taken = set()
    for name in sorted(data.fields):
        field = next((field for field in fields if name in (field.name, field.json_name)), None)
        if field is None:
            path = quote_key(name)
            broken.append((path, path, "UNKNOWN_FIELD"))
        elif field.name in taken:
            broken.append((field.name, field.json_name, "DUPLICATE_FIELD"))
        else:
            taken.add(field.name)
            value, wrong = _value_of(field, data.fields[name])
            broken += [(field.name + place, field.json_name + place, "TYPE") for place in wrong]
            if value not in (None, "", []) and (value != 0 or field.tracks_presence):
                values[field.name] = float(value) if field.kind is Kind.NUMBER else value
    return values, broken


def _value_of(field: Field, value: Value) -> tuple[Any, list[str]]:
    """Answer a value of `data` as its field holds it, None where it says nothing, and the places of the wrong type."""
    kind = value.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None, []
    if kind == _SAME.get(field.kind):
        return getattr(value, kind), []
    if field.kind is Kind.TEXTS and kind == "list_value":
        items = value.list_value.values
        wrong = [f"[{index}]" for index, item in enumerate(items) if item.WhichOneof("kind") != "string_value"]
        return [item.string_value for item in items if item.WhichOneof("kind") == "string_value"], wrong
    number = _number_of(value) if field.kind in (Kind.NUMBER, Kind.INTEGER) else None
    if field.kind is Kind.INTEGER and number is not None:
        low, high = field.integer_range or (0, 0)
        is_text_of_double = kind == "string_value" and re.fullmatch("-?[0-9]+", value.string_value) is None
        is_whole = isfinite(number) and number == int(number) and not is_text_of_double
        number = int(number) if is_whole and low <= number <= high else None
    return number, [] if number is not None else [""]


_SAME = {Kind.TEXT: "string_value", Kind.FLAG: "bool_value", Kind.OBJECT: "struct_value"}


def _number_of(value: Value) -> float | None:
    """Take a number, or a text that is one as protobuf JSON writes it."""
    kind, text = value.WhichOneof("kind"), value.string_value
    if kind == "number_value":
        return value.number_value
    if kind == "string_value" and re.fullmatch("-?[0-9]+", text):
        return int(text)
    if kind == "string_value" and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|-?Infinity|NaN", text):
        return float(text)
    return None


def quote_key(key: str) -> str:
    """Write a key as paths quote it: its first 40 characters, what cannot be printed escaped."""
    return repr(key[:40])[1:-1] + ("..." if len(key) > 40 else "")
