"""The JSON form of payloads: what callers send as `data`, and what the columns event_data and device hold.

Both forms meet in the typed message, so that one reader (events.message_reader) checks and stores them alike.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from events import violations
from events.event_type import EventType, Field, Kind
from events.violations import Violation, key_path, nearest

MessageT = TypeVar("MessageT", bound=Message)

is_decimal_integer = re.compile("-?[0-9]{1,20}").fullmatch
"""A whole number in a JSON string, as protobuf writes 64-bit ones; 20 digits are enough for all of them."""
is_decimal = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,1100})?([eE][+-]?[0-9]{1,4})?|-?Infinity|NaN").fullmatch
"""A number in a JSON string, as protobuf JSON allows; no double prints with more digits."""

_which_oneof = Value.WhichOneof  # see events.rules
_NULLS = ("null_value", None)
"""The kinds of a value that says nothing: null, and one that a caller left empty."""


class DataReader:
    """Turns the `data` of events of one type into typed payloads.

    It judges only what a typed message could not hold: values of the wrong type, unknown names, and a field given
    under both its names. All other rules are the typed payload's.

    Example:
        `{"contentType": "post", "viewDuration": "45"}` becomes `ViewEvent(content_type="post", view_duration=45)`.
    """

    def __init__(self, event_type: EventType) -> None:
        self._message_class = event_type.message_class
        self._owner = event_type.name
        self._json_names = tuple(field.json_name for field in event_type.fields)
        self._slots = {
            name: (field, _SETTERS[field.kind], _earlier_name(field, name))
            for field in event_type.fields
            for name in (field.name, field.json_name)
        }

    def read(self, data: Struct, found: list[Violation]) -> Message:
        """Build the payload; violations are appended to `found`, their paths relative to the payload.

        A field that is null counts as missing. A field of the wrong type stays unset.
        """
        message = self._message_class()
        members, slots = data.fields, self._slots
        for name in sorted(members):  # an object has no order, and an answer should repeat itself
            if len(found) > violations.MAX_VIOLATIONS:
                break
            slot = slots.get(name)
            if slot is None:
                found.append(self._unknown(name))
                continue
            field, set_field, earlier = slot
            if earlier is not None and earlier in members:
                problem = f"is given as both {field.json_name} and {field.name}; keep one"
                found.append(Violation(field.name, field.json_name, violations.DUPLICATE_FIELD, problem))
                continue
            value = members[name]
            set_field(message, field, value, _which_oneof(value, "kind"), found)
        return message

    def _unknown(self, name: str) -> Violation:
        near = nearest(name, self._json_names)
        hint = f"did you mean {near}?" if near else f"known are {', '.join(self._json_names)}"
        path = key_path("", name)[1:]
        return Violation(path, path, violations.UNKNOWN_FIELD, f"is no field of a {self._owner} event; {hint}")


def _earlier_name(field: Field, name: str) -> str | None:
    """Answer the other name of a field where it comes first in the order of names, and so takes the field."""
    other = field.json_name if name == field.name else field.name
    return other if other < name else None


def _refuse(field: Field, value: Value, found: list[Violation], suffix: str = "") -> None:
    wanted = Kind.TEXT if suffix else field.kind
    problem = f"is {_describe(value)}; {wanted} is needed"
    if field.integer_range is not None:
        problem += f" from {field.integer_range[0]} to {field.integer_range[1]}"
    found.append(Violation(f"{field.name}{suffix}", f"{field.json_name}{suffix}", violations.TYPE, problem))


def _describe(value: Value) -> str:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return f"the text {violations.quoted(value.string_value)}"
    if kind == "number_value":
        return f"the number {value.number_value!r}"
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return {"struct_value": "an object", "list_value": "a list"}.get(kind or "", "null")


def _set_text(message: Message, field: Field, value: Value, kind: str | None, found: list[Violation]) -> None:
    if kind == "string_value":
        setattr(message, field.name, value.string_value)
    elif kind not in _NULLS:
        _refuse(field, value, found)


def _set_number(message: Message, field: Field, value: Value, kind: str | None, found: list[Violation]) -> None:
    if kind == "number_value":
        setattr(message, field.name, value.number_value)
    elif kind == "string_value" and is_decimal(value.string_value):
        setattr(message, field.name, float(value.string_value))
    elif kind not in _NULLS:
        _refuse(field, value, found)


def _set_integer(message: Message, field: Field, value: Value, kind: str | None, found: list[Violation]) -> None:
    number: int | None = None
    if kind == "number_value" and value.number_value.is_integer():
        number = int(value.number_value)
    elif kind == "string_value" and is_decimal_integer(value.string_value):
        number = int(value.string_value)
    low, high = field.integer_range or (0, 0)
    if number is not None and low <= number <= high:
        setattr(message, field.name, number)
    elif kind not in _NULLS:
        _refuse(field, value, found)


def _set_flag(message: Message, field: Field, value: Value, kind: str | None, found: list[Violation]) -> None:
    if kind == "bool_value":
        setattr(message, field.name, value.bool_value)
    elif kind not in _NULLS:
        _refuse(field, value, found)


def _set_texts(message: Message, field: Field, value: Value, kind: str | None, found: list[Violation]) -> None:
    if kind == "list_value":
        texts = []
        for index, item in enumerate(value.list_value.values):
            if _which_oneof(item, "kind") == "string_value":
                texts.append(item.string_value)
            elif len(found) <= violations.MAX_VIOLATIONS:
                _refuse(field, item, found, f"[{index}]")
        getattr(message, field.name).extend(texts)
    elif kind not in _NULLS:
        _refuse(field, value, found)


def _set_object(message: Message, field: Field, value: Value, kind: str | None, found: list[Violation]) -> None:
    if kind == "struct_value":
        inner = getattr(message, field.name)
        inner.SetInParent()  # an empty object is there all the same
        inner.CopyFrom(value.struct_value)
    elif kind not in _NULLS:
        _refuse(field, value, found)


_SETTERS: dict[Kind, Callable[[Message, Field, Value, str | None, list[Violation]], None]] = {
    Kind.TEXT: _set_text,
    Kind.NUMBER: _set_number,
    Kind.INTEGER: _set_integer,
    Kind.FLAG: _set_flag,
    Kind.TEXTS: _set_texts,
    Kind.OBJECT: _set_object,
}


def to_json(values: dict[str, Any]) -> str:
    """Write what a reader read as JSON text; numbers are their shortest decimals (29.99, 45)."""
    return orjson.dumps(values).decode()


def from_json(text: str, message: MessageT) -> MessageT:
    """Read event_data or device, as a column holds it, into an empty message, and return that.

    A field that the message does not know (stored by a newer program) is left out.
    """
    values = orjson.loads(text)
    json_format.ParseDict(values, message, ignore_unknown_fields=True)
    return message
