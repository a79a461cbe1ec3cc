"""The rules of events once more, in the plainest words: what the fast ones of `events` are compared with.

It reads the catalogue as it goes, field by field, and compiles nothing; `reference_values` has taken the values out of
either form of a payload before. It tells which rule is broken where, not in which words.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from iso4217 import Currency

from events.event_type import Catalogue, Field, Kind
from sociallive.analytics.v1.event_pb2 import Event
from tests.unit.reference_values import Broken, quote_key, values_of_data, values_of_message

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOST_VIOLATIONS = 32


class Refusal(NamedTuple):
    """Why an event is refused."""

    reason: str
    broken: list[Broken]


class Reference:
    """Judges events by a catalogue, one field after the other."""

    def __init__(self, catalogue: Catalogue, *, retention_raw_days: int) -> None:
        self._catalogue = catalogue
        self._retention = timedelta(days=retention_raw_days)

    def prepare(self, event: Event, received_at: datetime, *, backfill: bool) -> dict[str, Any] | Refusal:
        """Answer the row of an event by name (an id that it lacks is empty), or why it is refused."""
        broken: list[Broken] = []
        name, payload, json_prefix, payload_broken = self._find_payload(event, broken)
        event_type = self._catalogue.types.get(name)
        version = event.schema_version
        if version and not _is_version(version):
            broken += _at(
                "schema_version", "schemaVersion", _text_rules(self._catalogue.envelope["schema_version"], version)
            )
        elif version and event_type and version not in [each.version for each in event_type.versions]:
            broken.append(("schema_version", "schemaVersion", "UNKNOWN_VERSION"))
        if event_type and version not in [each.version for each in event_type.versions]:
            version = event_type.newest
        broken += self._judge_envelope(event, name)
        data: dict[str, Any] = {}
        if event_type and payload is not None:
            mistyped = [field for field, _, rule in payload_broken if rule == "TYPE"]
            data, more = judge_fields(event_type.fields, payload, version)
            more = [each for each in more if each[2] != "REQUIRED" or each[0] not in mistyped]
            broken += _under(name, json_prefix, payload_broken + more)
        device, more = self._judge_device(event, version if event_type else "")
        timestamp, sent_at = _time(event, "timestamp"), _time(event, "sent_at")
        more += [("timestamp", "timestamp", "TIMESTAMP")] if isinstance(timestamp, str) else []
        more += [("sent_at", "sentAt", "TIMESTAMP")] if isinstance(sent_at, str) else []
        broken += more
        if len(broken) > MOST_VIOLATIONS:
            broken[MOST_VIOLATIONS:] = [("", "", "TOO_MANY_VIOLATIONS")]
        if broken:
            return Refusal("INVALID_EVENT", broken)
        assert not isinstance(timestamp, str)
        assert not isinstance(sent_at, str)
        placed = self._place_in_time(timestamp, None if backfill else sent_at, received_at, backfill=backfill)
        if isinstance(placed, Refusal):
            return placed
        event_id = event.event_id.lower()
        return {
            "event_id": event_id,
            "event_type": name,
            "schema_version": version,
            "timestamp": placed[0],
            "received_at": received_at,
            "timestamp_source": placed[1],
            "sequence": event.sequence,
            "actor_id": event.user_id or event.session_id or event_id,
            "user_id": event.user_id or None,
            "session_id": event.session_id or None,
            "platform": event.platform or None,
            "user_agent": event.user_agent or None,
            "device": orjson.dumps(device).decode() if device else None,
            "event_data": orjson.dumps(data).decode(),
        }

    def _find_payload(
        self, event: Event, broken: list[Broken]
    ) -> tuple[str, Mapping[str, Any] | None, str, list[Broken]]:
        """Answer the type, the set values of the payload, where JSON has it, and what is wrong with `data` itself."""
        typed, types = event.WhichOneof("payload"), self._catalogue.types
        if typed is not None:
            if event.HasField("data"):
                broken.append(("data", "data", "PAYLOAD_AND_DATA"))
            return typed, values_of_message(getattr(event, typed), types[typed].fields), typed, []
        name = event.event_type
        if not event.HasField("data"):
            broken.append(("data", "data", "NO_PAYLOAD"))
        if name in types:
            if not event.HasField("data"):
                return name, None, "data", []
            values, mistakes = values_of_data(event.data, types[name].fields)
            return name, values, "data", mistakes
        if name:
            broken.append(("event_type", "eventType", "UNKNOWN_EVENT_TYPE"))
        elif event.HasField("data"):
            broken.append(("event_type", "eventType", "REQUIRED"))
        return "", None, "data", []

    def _judge_envelope(self, event: Event, name: str) -> list[Broken]:
        broken: list[Broken] = []
        for field in self._catalogue.envelope.values():
            value = getattr(event, field.name)
            if field.name == "event_type":
                rules = ["EVENT_TYPE_MISMATCH"] if value and name and value != name else []
            elif field.name == "schema_version":
                rules = []
            elif field.kind is Kind.INTEGER:
                rules = _number_rules(field, value)
            else:
                rules = _text_rules(field, value) if value else []
            broken += _at(field.name, field.json_name, rules)
        return broken

    def _judge_device(self, event: Event, version: str) -> tuple[dict[str, Any], list[Broken]]:
        if not event.HasField("device"):
            return {}, []
        since = self._catalogue.device_since
        if version and since and _numbers(version) < _numbers(since):
            return {}, [("device", "device", "SINCE")]
        fields = self._catalogue.device
        device, broken = judge_fields(fields, values_of_message(event.device, fields), version)
        return device, _under("device", "device", broken)

    def _place_in_time(
        self, timestamp: datetime | None, sent_at: datetime | None, received_at: datetime, *, backfill: bool
    ) -> tuple[datetime, str | None] | Refusal:
        """Answer the timestamp that is stored and where it comes from, or why it is refused."""
        if timestamp is None:
            return received_at, "missing"
        microseconds, source = (timestamp - EPOCH) // MICROSECOND, None
        if sent_at is not None and abs(received_at - sent_at) > timedelta(seconds=150):
            microseconds, source = microseconds + (received_at - sent_at) // MICROSECOND, "corrected"
        received_us = (received_at - EPOCH) // MICROSECOND
        if microseconds > received_us + 300_000_000:
            return received_at, "future"
        if self._retention and not backfill and microseconds < received_us - self._retention // MICROSECOND:
            return Refusal("EVENT_TOO_OLD", [("timestamp", "timestamp", "TOO_OLD")])
        if microseconds < 0:
            return Refusal("INVALID_EVENT", [("timestamp", "timestamp", "TIMESTAMP")])
        return EPOCH + timedelta(microseconds=microseconds), source


def judge_fields(
    fields: Sequence[Field], values: Mapping[str, Any], version: str
) -> tuple[dict[str, Any], list[Broken]]:
    """Answer what is stored of the values, by JSON name, and the rules that they break."""
    data: dict[str, Any] = {}
    broken: list[Broken] = []
    for field in sorted(fields, key=lambda field: list(Kind).index(field.kind)):
        if _is_newer(field, version):
            continue
        if field.name not in values:
            broken += _at(field.name, field.json_name, ["REQUIRED"] if field.required else [])
            continue
        value = values[field.name]
        if field.kind is Kind.TEXT:
            broken += _at(field.name, field.json_name, _text_rules(field, value))
        elif field.kind in (Kind.NUMBER, Kind.INTEGER):
            broken += _at(field.name, field.json_name, _number_rules(field, value))
            value = _plain(value)
        elif field.kind is Kind.TEXTS and len(value) > field.max_items:
            broken += _at(field.name, field.json_name, ["MAX_ITEMS"])
        elif field.kind is Kind.TEXTS:
            for index, text in enumerate(value):
                broken += _at(f"{field.name}[{index}]", f"{field.json_name}[{index}]", _text_rules(field, text))
        elif field.kind is Kind.OBJECT:
            value, inside = _judge_object(field, value, 0)
            broken += [(field.name + path, field.json_name + path, rule) for path, rule in inside]
        data[field.json_name] = value
    broken += [
        (field.name, field.json_name, "SINCE") for field in fields if _is_newer(field, version) and field.name in values
    ]
    return data, broken


def _judge_value(field: Field, value: Value, depth: int) -> tuple[Any, list[tuple[str, str]]]:
    """Answer a value inside of an object as it is stored, and the rules that it breaks with the paths that lead there.

    It nests `depth` objects or lists deep.
    """
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value, [("", rule) for rule in _text_rules(field, value.string_value)]
    if kind == "number_value":
        number = value.number_value
        return (_plain(number), []) if isfinite(number) else (None, [("", "FINITE")])
    if kind == "bool_value":
        return value.bool_value, []
    if kind == "struct_value":
        return _judge_object(field, value.struct_value, depth)
    if kind == "list_value":
        return _judge_list(field, value.list_value, depth)
    return None, []


def _judge_object(field: Field, struct: Struct, depth: int) -> tuple[Any, list[tuple[str, str]]]:
    result, broken = {}, _size_rules(field, len(struct.fields), depth)
    for key in [] if broken else sorted(struct.fields):
        broken += [(f".{quote_key(key)}", rule) for rule in _text_rules(field, key)]
        result[key], inside = _judge_value(field, struct.fields[key], depth + 1)
        broken += [(f".{quote_key(key)}{path}", rule) for path, rule in inside]
    return result, broken


def _judge_list(field: Field, items: ListValue, depth: int) -> tuple[Any, list[tuple[str, str]]]:
    result, broken = [], _size_rules(field, len(items.values), depth)
    for index, item in enumerate([] if broken else items.values):
        plain, inside = _judge_value(field, item, depth + 1)
        result.append(plain)
        broken += [(f"[{index}]{path}", rule) for path, rule in inside]
    return result, broken


def _size_rules(field: Field, size: int, depth: int) -> list[tuple[str, str]]:
    if depth >= field.max_depth:
        return [("", "MAX_DEPTH")]
    return [("", "MAX_ITEMS")] if size > field.max_items else []


def _text_rules(field: Field, text: str) -> list[str]:
    rules = ["NUL"] if "\0" in text else []
    if field.allowed_values and text not in field.allowed_values:
        return [*rules, "ALLOWED_VALUES"]
    if field.format and not _FORMATS[field.format](text):
        return [*rules, field.format]
    return [*rules, "MAX_LENGTH"] if len(text) > field.max_length else rules


def _number_rules(field: Field, number: float) -> list[str]:
    if not isfinite(number):
        return ["FINITE"]
    if field.minimum is not None and number < field.minimum:
        return ["MINIMUM"]
    return ["MAXIMUM"] if field.maximum is not None and number > field.maximum else []


def _plain(number: float) -> float:
    """Whole numbers are written without a fraction, as far as each has a double of its own."""
    return int(number) if isfinite(number) and number == int(number) and abs(number) <= 2**53 else number


def _time(event: Event, name: str) -> datetime | str | None:
    """Answer the time in a field, None where it is not set, and a complaint where it is none."""
    if not event.HasField(name):
        return None
    stamp: Timestamp = getattr(event, name)
    if stamp.seconds < 0 or stamp.seconds >= 253_402_300_800 or not 0 <= stamp.nanos < 1_000_000_000:
        return "is no time"
    return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        return getattr(ipaddress.ip_address(text), "scope_id", None) is None
    except ValueError:
        return False


def _is_version(text: str) -> bool:
    numbers = text.split(".")
    return len(numbers) == 3 and all(re.fullmatch("[0-9]{1,6}", each) and str(int(each)) == each for each in numbers)


_CURRENCIES = {currency.code for currency in Currency}
_FORMATS = {
    "UUID": _is_uuid,
    "CURRENCY": _CURRENCIES.__contains__,
    "IP_ADDRESS": _is_address,
    "VERSION": _is_version,
}


def _is_newer(field: Field, version: str) -> bool:
    return field.since != "" and _numbers(version) < _numbers(field.since)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _at(path: str, json_path: str, rules: Sequence[str]) -> list[Broken]:
    return [(path, json_path, rule) for rule in rules]


def _under(prefix: str, json_prefix: str, broken: Sequence[Broken]) -> list[Broken]:
    return [(f"{prefix}.{path}", f"{json_prefix}.{json_path}", rule) for path, json_path, rule in broken]
