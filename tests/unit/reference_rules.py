"""The rules of events once more, in the plainest words: what the fast ones of `events` are compared with.

It reads the catalogue as it goes, field by field, and compiles nothing; `reference_values` takes the values out of
either form of an event before. It says which rule is broken where, in any order, not in which words.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from iso4217 import Currency

from events.event_type import Catalogue, Field, Form, Kind
from sociallive.analytics.v1.event_pb2 import Event
from tests.unit.reference_values import (
    EPOCH,
    Broken,
    plain,
    plain_number,
    quote_key,
    time_of_json,
    time_of_message,
    values_of_json,
    values_of_message,
)

MICROSECOND = timedelta(microseconds=1)


class Refusal(NamedTuple):
    """Why an event is refused."""

    reason: str
    broken: list[Broken]


class _Sent(NamedTuple):
    """An event of either form, as plain values."""

    form: Form
    envelope: dict[str, Any]
    """By the names of the fields; what is not set is missing."""
    device: dict[str, Any] | None
    payload: dict[str, Any] | None
    """None where it is missing, or its type is unknown."""
    event_type: str
    """Empty where it is unknown."""
    place: str
    """The path of the payload."""
    payload_form: Form
    times: dict[str, datetime | str]
    broken: list[Broken]
    """What is wrong with it already."""


class Reference:
    """Judges events by a catalogue, one field after the other."""

    def __init__(self, catalogue: Catalogue, *, retention_raw_days: int) -> None:
        self._catalogue = catalogue
        self._retention = timedelta(days=retention_raw_days)

    def prepare(self, event: Event, received_at: datetime, *, backfill: bool) -> dict[str, Any] | Refusal:
        """Answer the row of a message by name (an id that it lacks is empty), or why it is refused."""
        return self._judge(self._take_message(event), received_at, backfill=backfill)

    def prepare_json(
        self, event: Mapping[str, Any], received_at: datetime, *, backfill: bool, event_type: str = ""
    ) -> dict[str, Any] | Refusal:
        """Answer the same for JSON, under a path that names the type, or is empty."""
        return self._judge(self._take_json(event, event_type), received_at, backfill=backfill)

    def _take_message(self, event: Event) -> _Sent:
        types, broken = self._catalogue.types, list[Broken]()
        typed, has_data = event.WhichOneof("payload"), event.HasField("data")
        place, form = typed or "data", Form.MESSAGE if typed else Form.JSON
        name, payload = typed or event.event_type, None
        if typed:
            payload = values_of_message(getattr(event, typed), types[typed].fields)
            broken += [("data", "PAYLOAD_AND_DATA")] if has_data else []
        elif not has_data:
            broken.append(("data", "NO_PAYLOAD"))
        elif name in types:
            payload, wrong = self._take_payload(plain(event.data), name, event.schema_version)
            broken += _under("data", wrong)
        if name not in types:
            broken += [("event_type", "UNKNOWN_EVENT_TYPE" if name else "REQUIRED")] if name or has_data else []
            name = ""
        device = values_of_message(event.device, self._catalogue.device) if event.HasField("device") else None
        times = {
            field: time_of_message(getattr(event, field)) for field in ("timestamp", "sent_at") if event.HasField(field)
        }
        envelope = {field: getattr(event, field) for field in self._catalogue.envelope if getattr(event, field)}
        return _Sent(Form.MESSAGE, envelope, device, payload, name, place, form, times, broken)

    def _take_json(self, event: Mapping[str, Any], path_type: str) -> _Sent:
        types, catalogue = self._catalogue.types, self._catalogue
        envelope, rest, broken = self._take_members(event)
        payloads = [name for name in types if name in rest]
        typed = path_type if path_type in payloads else payloads[0] if payloads else ""
        if path_type and typed and typed != path_type:
            broken.append((typed, "EVENT_TYPE_MISMATCH"))
        broken += [
            (name, "PAYLOAD_AND_DATA") for name in (*payloads, "data") if typed and name != typed and name in rest
        ]
        place = typed or "data"
        name = typed or path_type or envelope.get("event_type", "")
        payload = None
        if place not in rest:
            broken.append(("data", "NO_PAYLOAD"))
        elif not isinstance(rest[place], dict):
            broken.append((place, "TYPE"))
        elif name in types:
            payload, wrong = self._take_payload(rest[place], name, envelope.get("schema_version", ""))
            broken += _under(place, wrong)
        if name not in types:
            broken += [("eventType", "UNKNOWN_EVENT_TYPE" if name else "REQUIRED")] if name or place in rest else []
            name = ""
        device = None
        if "device" in rest and not isinstance(rest["device"], dict):
            broken.append(("device", "TYPE"))
        elif "device" in rest:
            device, wrong = values_of_json(rest["device"], catalogue.device)
            broken += _under("device", wrong) if self._has_device(name, envelope.get("schema_version", "")) else []
        names = {"timestamp": "timestamp", "sent_at": "sentAt"}
        times = {field: time_of_json(rest[name]) for field, name in names.items() if name in rest}
        return _Sent(Form.JSON, envelope, device, payload, name, place, Form.JSON, times, broken)

    def _take_payload(self, members: Mapping[str, Any], name: str, version: str) -> tuple[dict[str, Any], list[Broken]]:
        fields, version = self._catalogue.types[name].fields, self._resolve(name, version)
        return values_of_json(members, fields, [field for field in fields if _is_newer(field, version)])

    def _take_members(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[Broken]]:
        """Answer the plain fields by name, and the set other members by JSON name."""
        others = {"timestamp": "timestamp", "sent_at": "sentAt", "device": "device", "data": "data"}
        others |= {"received_at": "receivedAt", "timestamp_source": "timestampSource"}
        others |= {name: name for name in self._catalogue.types}
        rest: dict[str, Any] = {}
        plain_members: dict[str, Any] = {}
        broken: list[Broken] = []
        for name, value in event.items():
            json_name = next((pair[1] for pair in others.items() if name in pair), None)
            if json_name is None:
                plain_members[name] = value
            elif name != json_name and json_name in event:
                broken.append((json_name, "DUPLICATE_FIELD"))
            elif value is not None:
                rest[json_name] = value
        envelope, wrong = values_of_json(plain_members, [*self._catalogue.envelope.values()])
        return envelope, rest, broken + wrong

    def _resolve(self, name: str, version: str) -> str:
        """Answer the version that an event is read in."""
        event_type = self._catalogue.types.get(name)
        if event_type is None:
            return ""
        return version if version in [each.version for each in event_type.versions] else event_type.newest

    def _has_device(self, name: str, version: str) -> bool:
        version, since = self._resolve(name, version), self._catalogue.device_since
        return not version or not since or _numbers(version) >= _numbers(since)

    def _judge(self, sent: _Sent, received_at: datetime, *, backfill: bool) -> dict[str, Any] | Refusal:
        envelope, name, broken = sent.envelope, sent.event_type, [*sent.broken]
        named = version = envelope.get("schema_version", "")
        field = self._catalogue.envelope["schema_version"]
        version = self._resolve(name, version)
        if named and not _is_version(named):
            broken += _at(field.name_in(sent.form), _text_rules(field, named))
        elif named and name and named != version:
            broken.append((field.name_in(sent.form), "UNKNOWN_VERSION"))
        broken += self._judge_envelope(sent)
        data: dict[str, Any] = {}
        if name and sent.payload is not None:
            fields = self._catalogue.types[name].fields
            data, more = judge_fields(fields, sent.payload, version, sent.payload_form)
            broken += _under(sent.place, more)
        device: dict[str, Any] = {}
        if sent.device is not None and not self._has_device(name, named):
            broken.append(("device", "SINCE"))
        elif sent.device is not None:
            device, more = judge_fields(self._catalogue.device, sent.device, version, sent.form)
            broken += _under("device", more)
        names = {"timestamp": "timestamp", "sent_at": "sentAt" if sent.form is Form.JSON else "sent_at"}
        broken += [(names[field], rule) for field, rule in sent.times.items() if isinstance(rule, str)]
        named_already = [path for path, rule in broken if rule != "REQUIRED"]
        broken = [each for each in broken if each[1] != "REQUIRED" or each[0] not in named_already]
        if broken:
            return Refusal("INVALID_EVENT", broken)
        times = {field: time for field, time in sent.times.items() if not isinstance(time, str)}
        sent_at = None if backfill else times.get("sent_at")
        in_time = self._place_in_time(times.get("timestamp"), sent_at, received_at, backfill=backfill)
        if isinstance(in_time, Refusal):
            return in_time
        event_id = envelope.get("event_id", "").lower()
        return {
            "event_id": event_id,
            "event_type": name,
            "schema_version": version,
            "timestamp": in_time[0],
            "received_at": received_at,
            "timestamp_source": in_time[1],
            "sequence": envelope.get("sequence", 0),
            "actor_id": envelope.get("user_id") or envelope.get("session_id") or event_id,
            **{column: envelope.get(column) for column in ("user_id", "session_id", "platform", "user_agent")},
            "device": orjson.dumps(device).decode() if device else None,
            "event_data": orjson.dumps(data).decode(),
        }

    def _judge_envelope(self, sent: _Sent) -> list[Broken]:
        broken: list[Broken] = []
        for field in self._catalogue.envelope.values():
            value = sent.envelope.get(field.name)
            if value is None or field.name == "schema_version":
                continue
            if field.name == "event_type":
                rules = ["EVENT_TYPE_MISMATCH"] if sent.event_type and value != sent.event_type else []
            elif field.kind is Kind.INTEGER:
                rules = _number_rules(field, value)
            else:
                rules = _text_rules(field, value)
            broken += _at(field.name_in(sent.form), rules)
        return broken

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
            return Refusal("EVENT_TOO_OLD", [("timestamp", "TOO_OLD")])
        if microseconds < 0:
            return Refusal("INVALID_EVENT", [("timestamp", "TIMESTAMP")])
        return EPOCH + timedelta(microseconds=microseconds), source


def judge_fields(
    fields: Sequence[Field], values: Mapping[str, Any], version: str, form: Form
) -> tuple[dict[str, Any], list[Broken]]:
    """Answer what is stored of the values, by JSON name, and the rules that they break."""
    data: dict[str, Any] = {}
    broken: list[Broken] = []
    for field in sorted(fields, key=lambda field: list(Kind).index(field.kind)):
        name = field.name_in(form)
        if field.name not in values:
            broken += _at(name, ["REQUIRED"] if field.required and not _is_newer(field, version) else [])
            continue
        if _is_newer(field, version):
            broken.append((name, "SINCE"))
            continue
        value = values[field.name]
        if field.kind is Kind.TEXT:
            broken += _at(name, _text_rules(field, value))
        elif field.kind in (Kind.NUMBER, Kind.INTEGER):
            broken += _at(name, _number_rules(field, value))
            value = plain_number(value)
        elif field.kind is Kind.TEXTS and len(value) > field.max_items:
            broken += _at(name, ["MAX_ITEMS"])
        elif field.kind is Kind.TEXTS:
            for index, text in enumerate(value):
                broken += _at(f"{name}[{index}]", _text_rules(field, text) if isinstance(text, str) else [])
        elif field.kind is Kind.OBJECT:
            value, inside = _judge_object(field, value, 0)
            broken += [(name + path, rule) for path, rule in inside]
        data[field.json_name] = value
    return data, broken


def _judge_value(field: Field, value: Any, depth: int) -> tuple[Any, list[Broken]]:
    """Answer a value inside of an object as it is stored, and the rules that it breaks with the paths that lead there.

    It nests `depth` objects or lists deep.
    """
    if isinstance(value, str):
        return value, [("", rule) for rule in _text_rules(field, value)]
    if isinstance(value, dict):
        return _judge_object(field, value, depth)
    if isinstance(value, list):
        return _judge_list(field, value, depth)
    if value is None or isinstance(value, bool):
        return value, []
    if not isfinite(value):
        return None, [("", "FINITE")]
    value = plain_number(value)
    is_exact = isinstance(value, int) and -(2**63) <= value < 2**64
    return value, [] if is_exact or abs(value) < 2**63 else [("", "NUMBER_RANGE")]


def _judge_object(field: Field, members: dict[str, Any], depth: int) -> tuple[Any, list[Broken]]:
    result, broken = {}, _size_rules(field, len(members), depth)
    for key in [] if broken else sorted(members):
        broken += [(f".{quote_key(key)}", rule) for rule in _text_rules(field, key)]
        result[key], inside = _judge_value(field, members[key], depth + 1)
        broken += [(f".{quote_key(key)}{path}", rule) for path, rule in inside]
    return result, broken


def _judge_list(field: Field, items: list[Any], depth: int) -> tuple[Any, list[Broken]]:
    result, broken = [], _size_rules(field, len(items), depth)
    for index, item in enumerate([] if broken else items):
        stored, inside = _judge_value(field, item, depth + 1)
        result.append(stored)
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
    if number < (-(2**63) + 1 if field.minimum is None else field.minimum):
        return ["MINIMUM"] if field.kind is Kind.NUMBER or field.minimum is not None else []
    return ["MAXIMUM"] if number >= 2**64 or (field.maximum is not None and number > field.maximum) else []


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


def _at(path: str, rules: Sequence[str]) -> list[Broken]:
    return [(path, rule) for rule in rules]


def _under(prefix: str, broken: Sequence[Broken]) -> list[Broken]:
    return [(f"{prefix}.{path}", rule) for path, rule in broken]
