"""Steps: the language in which every report's question names events.

    step       a type, and after a colon conditions with commas between; all of them must hold
    condition  field = value, != > >= < <=; field in (value, value); field exists
    field      a payload field, a field of the envelope, device.field, metadata.key, metadata.key.key
    value      bare, or a JSON string where it holds a comma, a quote, a bracket or outer spaces

Names are taken as JSON has them or as the .proto files do.

Example: `purchase:paymentMethod=wallet,amount>=20`, `view:contentType in (post, product)`, `engagement:metadata.source
exists`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from types import MappingProxyType

import orjson

from events.catalogue import load_catalogue
from events.event_type import Field, Kind
from events.rules.field_rules import is_decimal
from events.violations import nearest, quoted
from reports.patterns.predicates import Condition, EventPattern, FieldPath, Operator, Value, ValueKind
from server.reports.errors import QuestionError

CATALOGUE = load_catalogue()

MOST_STEP_CHARACTERS = 2_000
"""Ten conditions with values of the usual length; a longer step costs more to plan than it is worth."""
MOST_CONDITIONS = 16
MOST_LIST_VALUES = 64
MOST_NUMBER_CHARACTERS = 64
MOST_EXPONENT = 400
"""No stored number is larger or smaller: they are doubles."""

ENVELOPE_FIELDS = ("user_id", "session_id", "platform", "user_agent", "schema_version")
"""What all events share and a question may ask about; times are the scope's, an event's id and address nobody's."""

_KINDS = {
    Kind.TEXT: ValueKind.TEXT,
    Kind.NUMBER: ValueKind.NUMBER,
    Kind.INTEGER: ValueKind.NUMBER,
    Kind.FLAG: ValueKind.FLAG,
    Kind.TEXTS: ValueKind.TEXTS,
    Kind.OBJECT: ValueKind.FREE,
}
_UNORDERED = (Operator.EQUAL, Operator.UNEQUAL, Operator.IN, Operator.EXISTS)

_JSON_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SEGMENT = re.compile(r"[\w-]+")
_OPERATOR = re.compile(r"\s*(?:(!=|>=|<=|=|>|<)|(in|exists)\b)\s*")
_BARE_VALUE = re.compile(r'[^,"()]+')
_PLAIN_TEXT = re.compile(r'[^\s,"()\x00-\x1f]([^,"()\x00-\x1f]*[^\s,"()\x00-\x1f])?').fullmatch


@dataclass(frozen=True, slots=True)
class _Known:
    """A field that a question may name."""

    path: FieldPath
    canonical: str
    max_keys: int
    """How many keys may follow; at least one, where it is not 0."""


def step_texts(texts: Sequence[str], field: str) -> list[str]:
    """List the strings of steps: a single one that is a JSON array of strings stands for its items.

    Raises:
        QuestionError: the array is none, or holds something else.
    """
    if len(texts) != 1 or not texts[0].lstrip().startswith("["):
        return list(texts)
    try:
        items = orjson.loads(texts[0])
    except orjson.JSONDecodeError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise QuestionError(field, 'must be strings, or one JSON array of strings, as in ["view", "purchase"]')
    return items


def parse_step(text: str, field: str, *, any_event: bool = False) -> EventPattern:
    """Read a step.

    Args:
        text: as the caller wrote it.
        field: where it stands in the request, as in "steps[0]", for the error.
        any_event: whether no type (an empty string, or conditions alone) may stand for events of any type.

    Raises:
        QuestionError: it cannot be understood, or names an unknown type or field.
    """
    if len(text) > MOST_STEP_CHARACTERS:
        raise QuestionError(field, f"has {len(text)} characters; at most {MOST_STEP_CHARACTERS} are allowed")
    if "\0" in text:
        raise QuestionError(field, "must not contain a NUL character: no stored string does")
    name, colon, rest = text.partition(":")
    name = name.strip()
    if not name and not any_event:
        raise QuestionError(field, f"names no event type; write one of {', '.join(CATALOGUE.types)}")
    if name and name not in CATALOGUE.types:
        near = nearest(name, tuple(CATALOGUE.types))
        hint = f"did you mean {near}? " if near else ""
        raise QuestionError(
            field, f"names the unknown event type {quoted(name)}; {hint}known types: {', '.join(CATALOGUE.types)}"
        )
    reader = _Reader(rest, field, (name,) if name else ())
    return EventPattern(name or None, reader.conditions() if colon else ())


def format_step(pattern: EventPattern) -> str:
    """Write a step, in the one form that all ways to write it have; `parse_step` reads it back."""
    conditions = ",".join(_format_condition(condition) for condition in pattern.conditions)
    return f"{pattern.event_type or ''}{':' if conditions else ''}{conditions}"


def parse_field(text: str, field: str, event_types: Sequence[str]) -> FieldPath:
    """Read the name of a field with a single value that events of at least one of these types have.

    Raises:
        QuestionError: it is unknown, or holds several values.
    """
    if len(text) > MOST_STEP_CHARACTERS or "\0" in text:
        raise QuestionError(field, f"must be the name of a field, not {quoted(text)}")
    reader = _Reader(text.strip(), field, event_types)
    path = reader.path()
    reader.finish()
    if path.kind is ValueKind.TEXTS:
        raise QuestionError(field, f"{text.strip()} is a list; name a field with a single value")
    return path


def format_field(path: FieldPath) -> str:
    """Write the name of a field as JSON has it."""
    if path.column == "event_data":
        first, *keys = path.keys
        return ".".join([first, *map(_format_key, keys)])
    if path.column == "device":
        return f"device.{path.keys[0]}"
    return CATALOGUE.envelope[path.column].json_name


class _Reader:
    """Reads the conditions of one step from left to right."""

    def __init__(self, text: str, field: str, event_types: Sequence[str]) -> None:
        self._text = text
        self._field = field
        self._types = tuple(event_types)
        self._at = 0

    def conditions(self) -> tuple[Condition, ...]:
        found = [self._condition()]
        while self._take(","):
            found.append(self._condition())
            if len(found) > MOST_CONDITIONS:
                raise self._error(f"has more than {MOST_CONDITIONS} conditions")
        self.finish()
        return tuple(found)

    def path(self) -> FieldPath:
        start = self._at
        known = _known_fields(self._types)
        name = self._segment()
        if name == "device" and self._take("."):
            name = f"device.{self._segment()}"
        if name not in known:
            raise self._unknown(name, known)
        slot = known[name]
        if not slot.max_keys:
            if self._text.startswith(".", self._at):
                raise self._error(f"asks for a key of {name}, which is not an object")
            return slot.path
        keys: list[str] = []
        while self._take("."):
            keys.append(self._segment())
        if not 1 <= len(keys) <= slot.max_keys:
            written = self._text[start : self._at].strip()
            raise self._error(f"must name 1 to {slot.max_keys} keys, as in {name}.source, not {quoted(written)}")
        return FieldPath(slot.path.column, (*slot.path.keys, *keys), slot.path.kind)

    def finish(self) -> None:
        if self._text[self._at :].strip():
            raise self._error(
                f"cannot be parsed from {quoted(self._text[self._at :])} on; separate conditions by commas, and "
                'write a value with a comma, a quote or a bracket as a JSON string, as in "a, b"'
            )

    def _condition(self) -> Condition:
        path = self.path()
        operator = self._operator()
        if path.kind in (ValueKind.FLAG, ValueKind.TEXTS) and operator not in _UNORDERED:
            raise self._error(f"compares {format_field(path)} by {operator}; it supports only {', '.join(_UNORDERED)}")
        if operator is Operator.EXISTS:
            return Condition(path, operator)
        if operator is not Operator.IN:
            return Condition(path, operator, (self._value(path, operator),))
        if not self._take("("):
            raise self._error("must list the values of `in` in brackets, as in field in (a, b)")
        values = [self._value(path, operator)]
        while self._take(","):
            values.append(self._value(path, operator))
            if len(values) > MOST_LIST_VALUES:
                raise self._error(f"lists more than {MOST_LIST_VALUES} values")
        if not self._take(")"):
            raise self._error("must close the list of values with )")
        return Condition(path, operator, tuple(values))

    def _operator(self) -> Operator:
        match = _OPERATOR.match(self._text, self._at)
        if match is None:
            raise self._error(
                f"has no comparison before {quoted(self._text[self._at :])}; write one of {', '.join(Operator)}"
            )
        self._at = match.end()
        return Operator(match[1] or match[2])

    def _value(self, path: FieldPath, operator: Operator) -> Value:
        self._skip_space()
        name = format_field(path)
        if (quoted_text := self._json_string()) is not None:
            if path.kind in (ValueKind.NUMBER, ValueKind.FLAG):
                raise self._error(f"compares {name} with a string; it is a {path.kind}, which has no quotes")
            return quoted_text
        match = _BARE_VALUE.match(self._text, self._at)
        bare = match[0].strip() if match else ""
        if not bare:
            raise self._error(f'gives no value for {name}; write an empty string as ""')
        self._at += len(match[0]) if match else 0
        return self._literal(path, operator, bare)

    def _literal(self, path: FieldPath, operator: Operator, bare: str) -> Value:
        name = format_field(path)
        if path.kind in (ValueKind.FLAG, ValueKind.FREE) and bare in ("true", "false"):
            if operator not in _UNORDERED:
                raise self._error(f"compares {name} with {bare} by {operator}; use = or !=")
            return bare == "true"
        if path.kind is ValueKind.FLAG:
            raise self._error(f"compares {name} with {quoted(bare)}; it is true or false")
        if path.kind in (ValueKind.NUMBER, ValueKind.FREE) and (number := _number(bare)) is not None:
            return number
        if path.kind is ValueKind.NUMBER:
            raise self._error(f"compares {name} with {quoted(bare)}; it is a number")
        return bare

    def _segment(self) -> str:
        self._skip_space()
        if (quoted_text := self._json_string()) is not None:
            return quoted_text
        match = _SEGMENT.match(self._text, self._at)
        if match is None:
            raise self._error(f"names no field before {quoted(self._text[self._at :])}; write field, comparison, value")
        self._at = match.end()
        return match[0]

    def _json_string(self) -> str | None:
        if not self._text.startswith('"', self._at):
            return None
        match = _JSON_STRING.match(self._text, self._at)
        try:
            text = orjson.loads(match[0]) if match else None
        except orjson.JSONDecodeError:
            text = None
        if match is None or not isinstance(text, str) or "\0" in text:
            raise self._error(f"holds a JSON string that cannot be read at {quoted(self._text[self._at :])}")
        self._at = match.end()
        return text

    def _take(self, character: str) -> bool:
        self._skip_space()
        found = self._text.startswith(character, self._at)
        self._at += found
        return found

    def _skip_space(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1

    def _unknown(self, name: str, known: Mapping[str, _Known]) -> QuestionError:
        names = tuple(dict.fromkeys(slot.canonical for slot in known.values()))
        near = nearest(name, names)
        hint = f"did you mean {near}? " if near else ""
        owner = f"{' or '.join(self._types)} events" if self._types else "events of any type"
        return self._error(
            f"names {quoted(name)}, which is not a field of {owner}; {hint}known fields: {', '.join(names)}"
        )

    def _error(self, description: str) -> QuestionError:
        return QuestionError(self._field, description)


@cache
def _known_fields(event_types: tuple[str, ...]) -> Mapping[str, _Known]:
    """List the fields of these types by both their names; payload fields win over those of the envelope."""
    known: dict[str, _Known] = {}

    def put(field: Field, column: str, keys: tuple[str, ...], prefix: str = "") -> None:
        kind = _KINDS[field.kind]
        max_keys = field.max_depth if field.kind is Kind.OBJECT else 0
        slot = _Known(FieldPath(column, keys, kind), prefix + field.json_name, max_keys)
        known.setdefault(prefix + field.json_name, slot)
        known.setdefault(prefix + field.name, slot)

    for name in event_types:
        for field in CATALOGUE.types[name].fields:
            put(field, "event_data", (field.json_name,))
    for name in ENVELOPE_FIELDS:
        put(CATALOGUE.envelope[name], name, ())
    for field in CATALOGUE.device:
        put(field, "device", (field.json_name,), prefix="device.")
    return MappingProxyType(known)


def _number(text: str) -> Decimal | None:
    if len(text) > MOST_NUMBER_CHARACTERS or not is_decimal(text):
        return None
    number = Decimal(text)
    return number if number.is_finite() and abs(number.adjusted()) <= MOST_EXPONENT else None


def _format_condition(condition: Condition) -> str:
    name = format_field(condition.path)
    if condition.operator is Operator.EXISTS:
        return f"{name} exists"
    values = [_format_value(condition.path.kind, value) for value in condition.values]
    if condition.operator is Operator.IN:
        return f"{name} in ({', '.join(values)})"
    return f"{name}{condition.operator}{values[0]}"


def _format_value(kind: ValueKind, value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return str(value)
    mistaken = kind is ValueKind.FREE and (value in ("true", "false") or _number(value) is not None)
    return value if _PLAIN_TEXT(value) and not mistaken else orjson.dumps(value).decode()


def _format_key(key: str) -> str:
    return key if _SEGMENT.fullmatch(key) else orjson.dumps(key).decode()
