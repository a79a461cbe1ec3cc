"""JSON Schema and validation agree: on what the schema describes, on what breaks it by a hair, and on random events."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite, nextafter
from random import Random
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from events.event_type import UNLIMITED, Field, Kind
from events.rules.field_rules import LARGEST_NUMBER, LEAST_NUMBER, bounds, is_decimal, number, whole_number
from sociallive.analytics.v1.event_pb2 import Event
from tests.unit.event_samples import CATALOGUE, EVENT_ID, MINIMAL, NOW
from tests.unit.json_schemas import SCHEMAS, schema_accepts, service_accepts
from tests.unit.json_strategies import values_of
from tests.unit.random_events import FORMAT_TEXTS, EventMaker

EVENTS_PER_SEED = 30
FORMS = ("data", "typed")
DIFFERENCES = """
Where the two differ by nature, and what the tests do about it. The schema is never the more generous one, but for time.
- Looser forms of protobuf JSON are taken by the service alone: snake_case names, null or an empty text or list for a
  value that is missing, numbers in strings, anything in the fields that are ignored on input. `canonical` rewrites them
  first, as a client's own serializer would.
- Whole numbers beyond 2**53, which JSON libraries may round, and a sequence of more than 18 digits, which a pattern
  cannot bound by its value. `canonical` makes them smaller.
- What has no JSON form (NaN inside an object, a timestamp out of range) has none to judge: `json_form` leaves it out.
- The clock: the schema knows neither an event's age nor when a version's sunset is, and a zone's offset may move the
  first and last day of the calendar out of it. The events here stay clear of both.
"""

Values = dict[str, Any]


def event_of(name: str, version: str, form: str, payload: Mapping[str, Any], **envelope: Any) -> Values:
    """Make the JSON of an event in one of the two forms."""
    inner = {"eventType": name, "data": dict(payload)} if form == "data" else {name: dict(payload)}
    return {"schemaVersion": version, **inner, **envelope}


@pytest.mark.parametrize("key", SCHEMAS, ids="-".join)
def test_each_schema_is_a_schema_with_an_id_of_its_own(key: tuple[str, str]) -> None:
    """It is valid JSON Schema 2020-12, and its id names type and version."""
    Draft202012Validator.check_schema(SCHEMAS[key])
    assert SCHEMAS[key]["$id"] == f"urn:sociallive-analytics:schema:{key[0]}:{key[1]}"


def test_only_an_event_of_the_newest_version_may_leave_its_version_out() -> None:
    """Without one it is read as the newest, so the schema of an older one must not take it."""
    event = {"view": MINIMAL["view"]}
    assert Draft202012Validator(SCHEMAS["view", "1.1.0"]).is_valid(event)
    assert not Draft202012Validator(SCHEMAS["view", "1.0.0"]).is_valid(event)


@pytest.mark.parametrize("key", SCHEMAS, ids="-".join)
def test_the_two_forms_exclude_each_other(key: tuple[str, str]) -> None:
    """With the type or without it."""
    name, version = key
    both = {"schemaVersion": version, name: MINIMAL[name], "data": MINIMAL[name]}
    assert not Draft202012Validator(SCHEMAS[key]).is_valid(both)
    assert not Draft202012Validator(SCHEMAS[key]).is_valid(both | {"eventType": name})


@pytest.mark.parametrize("key", SCHEMAS, ids="-".join)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_a_schema_accepts_the_service_accepts(key: tuple[str, str], data: st.DataObject) -> None:
    """Every event that is drawn from the schema is valid, in both forms and with any part of the envelope."""
    event = data.draw(values_of(SCHEMAS[key]))
    assert schema_accepts(event), event
    assert service_accepts(event), event


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(min_value=0))
def test_random_events_are_judged_alike(seed: int) -> None:
    """Valid or not: the service, and the service and the schema on the canonical form, say the same."""
    random = Random(seed)  # noqa: S311 - it makes test data
    for _ in range(EVENTS_PER_SEED):
        values = json_form(EventMaker(random, CATALOGUE, NOW).make())
        if values is None:
            continue
        rewritten = canonical(values)
        if has_no_json(rewritten):  # from the string "NaN"
            continue
        assert schema_accepts(rewritten) == service_accepts(rewritten) == service_accepts(values), rewritten


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(min_value=0))
def test_random_json_is_judged_alike(seed: int) -> None:
    """The same for events in the looser forms, and with members of other kinds than their fields."""
    random = Random(seed)  # noqa: S311 - it makes test data
    for _ in range(EVENTS_PER_SEED):
        values = EventMaker(random, CATALOGUE, NOW).make_json()
        if has_no_json(values) or LAST_HOUR in (values.get("timestamp"), values.get("sentAt"), values.get("sent_at")):
            continue
        rewritten = canonical(values)
        if has_no_json(rewritten):  # from the string "NaN"
            continue
        assert schema_accepts(rewritten) == service_accepts(values), values


def test_the_random_events_are_valid_often_enough() -> None:
    """The test above would say little if one of the two verdicts were rare."""
    random = Random(1)  # noqa: S311 - it makes test data
    forms = [json_form(EventMaker(random, CATALOGUE, NOW).make()) for _ in range(1_000)]
    verdicts = [schema_accepts(canonical(values)) for values in forms if values is not None]
    assert min(verdicts.count(True), verdicts.count(False)) > 200


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", SCHEMAS, ids="-".join)
def test_what_just_keeps_a_rule_is_accepted_by_both(key: tuple[str, str], form: str) -> None:
    """Each field at its bounds, each usual value, each format."""
    name, version = key
    for field in CATALOGUE.types[name].fields_in(version):
        for value in just_right(field):
            event = event_of(name, version, form, least(name, version) | {field.json_name: value})
            assert schema_accepts(event), (field.name, value)
            assert service_accepts(event), (field.name, value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", SCHEMAS, ids="-".join)
def test_what_just_breaks_a_rule_is_refused_by_both(key: tuple[str, str], form: str) -> None:
    """A field dropped, a bound crossed by a hair, a character too many, an unknown key, a wrong kind, a newer field."""
    name, version = key
    for payload in broken_payloads(name, version):
        event = event_of(name, version, form, payload)
        assert not schema_accepts(event), payload
        assert not service_accepts(event), payload


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "envelope",
    [
        {"eventId": EVENT_ID[:-1]},
        {"eventId": EVENT_ID.replace("-", "")},
        {"userId": "é" * 257},
        {"sessionId": "a\0"},
        {"platform": 7},
        {"userAgent": "x" * 1025},
        {"sequence": -1},
        {"sequence": "-1"},
        {"sequence": 0.5},
        {"ipAddress": "203.0.113.7:80"},
        {"ipAddress": "fe80::1%eth0"},
        {"timestamp": "2024-02-30T00:00:00Z"},
        {"timestamp": "1969-12-31T23:59:59Z"},
        {"timestamp": "yesterday"},
        {"sentAt": "2024-01-01"},
        {"device": {"model": "x" * 129}},
        {"device": {"colour": "red"}},
        {"colour": "red"},
        {"schemaVersion": "9.9.9"},
        {"schemaVersion": "1.1"},
        {"eventType": "purchase"},
    ],
    ids=str,
)
def test_a_broken_envelope_is_refused_by_both(envelope: Values, form: str) -> None:
    """The same for what all events share."""
    event = event_of("view", "1.1.0", form, MINIMAL["view"]) | envelope
    assert not schema_accepts(event)
    assert not service_accepts(event)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"eventType": "view"},
        {"data": MINIMAL["view"]},
        {"eventType": "vieew", "data": MINIMAL["view"]},
        {"eventType": "view", "data": MINIMAL["view"], "view": MINIMAL["view"]},
        {"eventType": "view", "schemaVersion": "1.0.0", "data": MINIMAL["view"], "device": {"os": "Android"}},
        {"view": MINIMAL["view"], "session": MINIMAL["session"]},
    ],
    ids=str,
)
def test_neither_takes_an_event_without_one_payload_or_with_a_newer_device(event: Values) -> None:
    """Exactly one of the two forms is given, and 1.0.0 knows no device."""
    assert not schema_accepts(event)
    assert not service_accepts(event)


def least(name: str, version: str) -> Values:
    """Make a valid payload of the required fields alone."""
    required = (field for field in CATALOGUE.types[name].fields_in(version) if field.required)
    return {field.json_name: next(just_right(field), "a") for field in required}


def just_right(field: Field) -> Iterator[Any]:
    """Yield values at the edges of a field's rules."""
    if field.kind is Kind.TEXT:
        yield from field.allowed_values or FORMAT_TEXTS.get(field.format, ())[:2] or field.known_values
        if not field.allowed_values and not field.format and field.max_length != UNLIMITED:
            yield "\U0001f600" * field.max_length
    elif field.kind in (Kind.NUMBER, Kind.INTEGER):
        low, high = field.integer_range or (LEAST_NUMBER, LARGEST_NUMBER)
        yield low if field.minimum is None else field.minimum
        yield high if field.maximum is None else field.maximum
    elif field.kind is Kind.TEXTS:
        yield ["é" * field.max_length] * field.max_items
    elif field.kind is Kind.OBJECT:
        yield {}
        yield nested(field.max_depth)
        yield {str(key): None for key in range(field.max_items)}
        yield {"é" * field.max_length: ["é" * field.max_length] * field.max_items}
        yield {"numbers": [LEAST_NUMBER, LARGEST_NUMBER]}


def broken_payloads(name: str, version: str) -> Iterator[Values]:
    """Yield payloads that are each wrong in one way."""
    event_type, good = CATALOGUE.types[name], least(name, version)
    yield good | {"colour": "red"}
    known = event_type.fields_in(version)
    for field in event_type.fields:
        if field.required:
            yield {key: value for key, value in good.items() if key != field.json_name}
        if field not in known:
            yield good | {field.json_name: next(just_right(field), "a")}
            continue
        for value in (*wrong_kinds(field), *just_wrong(field)):
            yield good | {field.json_name: value}


def wrong_kinds(field: Field) -> Iterator[Any]:
    """Yield values of other kinds than the field's."""
    if field.kind in (Kind.TEXT, Kind.TEXTS):
        yield from (7, True, {})
    if field.kind is Kind.TEXTS:
        yield from ("a", ["a", 7], ["a", ["b"]])
    else:
        yield ["a"]
    if field.kind in (Kind.NUMBER, Kind.INTEGER):
        yield from ("many", {}, [])
    if field.kind is Kind.OBJECT:
        yield from ("a", 7, True)


def just_wrong(field: Field) -> Iterator[Any]:
    """Yield values of the field's kind that break a rule by a hair."""
    if field.kind is Kind.TEXT:
        yield "a\0"
        yield from (["other"] if field.allowed_values else FORMAT_TEXTS.get(field.format, ())[2:])
        yield "\U0001f600" * (field.max_length + 1)
        if field.required:
            yield ""
    elif field.kind is Kind.NUMBER:
        low, high = bounds(field)
        yield from (nextafter(low, -inf), nextafter(high, inf))
    elif field.kind is Kind.INTEGER and field.integer_range is not None:
        low, high = field.integer_range
        yield (low if field.minimum is None else int(field.minimum)) - 1
        yield (high if field.maximum is None else int(field.maximum)) + 1
        yield 1.5
    elif field.kind is Kind.TEXTS:
        yield ["a"] * (field.max_items + 1)
        yield ["é" * (field.max_length + 1)]
        yield ["a\0"]
    elif field.kind is Kind.OBJECT:
        yield nested(field.max_depth + 1)
        yield {"list": [nested(field.max_depth - 1)]}
        yield {str(key): None for key in range(field.max_items + 1)}
        yield {"list": [None] * (field.max_items + 1)}
        yield from ({"number": 2**64}, {"list": [-(2**63) - 1]}, {"number": 1e22})
        yield from ({"é" * (field.max_length + 1): 1}, {"key": "é" * (field.max_length + 1)}, {"\0": 1}, {"a": ["\0"]})


def nested(depth: int) -> Values:
    """Make objects in each other, `depth` of them."""
    return {"inner": nested(depth - 1)} if depth > 1 else {"inner": 1}


LAST_HOUR = "9999-12-31T23:59:59-01:00"
"""A time that lies beyond the calendar for its offset, which a schema does not see."""


def has_no_json(value: Any) -> bool:
    """Tell whether there is NaN or an infinity in a value."""
    if isinstance(value, dict | list):
        return any(has_no_json(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and not isfinite(value)


def json_form(event: Event) -> Values | None:
    """Write an event as protobuf JSON; None where it has no such form."""
    try:
        values = json_format.MessageToDict(event)
    except (ValueError, json_format.SerializeToJsonError):
        return None
    # A typed field that is no number is written as the string "NaN", which JSON Schema cannot judge either.
    return None if has_no_json(canonical(values)) else values


def canonical(values: Values) -> Values:
    """Rewrite the looser forms that only the service takes; see DIFFERENCES."""
    envelope = [*CATALOGUE.envelope.values(), *OTHERS]
    rewritten = canonical_members(envelope, values)
    for ignored in ("receivedAt", "received_at", "timestampSource", "timestamp_source"):
        rewritten.pop(ignored, None)
    for name in CATALOGUE.types:
        if name in rewritten and rewritten[name] is None:
            del rewritten[name]
    payloads: dict[str, Any] = {"data": rewritten.get("eventType"), **{name: name for name in CATALOGUE.types}}
    for place, name in payloads.items():
        event_type = CATALOGUE.types.get(str(name))
        if isinstance(rewritten.get(place), dict) and event_type is not None:
            rewritten[place] = canonical_members(event_type.fields, rewritten[place])
    if isinstance(rewritten.get("device"), dict):
        rewritten["device"] = canonical_members(CATALOGUE.device, rewritten["device"])
    return rewritten


OTHERS = [
    Field(name=name, json_name=json_name, kind=kind, tracks_presence=True)
    for name, json_name, kind in (
        ("timestamp", "timestamp", Kind.FLAG),
        ("sent_at", "sentAt", Kind.FLAG),
        ("device", "device", Kind.OBJECT),
        ("data", "data", Kind.OBJECT),
    )
]
"""Members of an event that are no plain fields; of their kind only `canonical_members` makes something."""


def canonical_members(fields: Sequence[Field], members: Values) -> Values:
    """Rewrite an object; a field under both its names stays so, which neither side takes."""
    rewritten = dict(members)
    for field in fields:
        if field.name in rewritten and field.json_name not in rewritten:
            rewritten[field.json_name] = rewritten.pop(field.name)
        if field.json_name not in rewritten or (field.name != field.json_name and field.name in rewritten):
            continue
        value = rewritten[field.json_name]
        if value is None or (field.kind is Kind.TEXT and value == "") or (field.kind is Kind.TEXTS and value == []):
            del rewritten[field.json_name]
        else:
            rewritten[field.json_name] = canonical_value(field, value)
    return rewritten


def canonical_value(field: Field, value: Any) -> Any:
    """Rewrite a number that is a text, and make large ones smaller."""
    if field.kind is Kind.OBJECT:
        return smaller(value)
    if field.kind is Kind.NUMBER:
        value = number(value) if isinstance(value, str) and is_decimal(value) else value
        return value if isinstance(value, float) and not isfinite(value) else smaller(value)
    if field.kind is Kind.INTEGER and field.integer_range is not None:
        whole = whole_number(value)
        low, high = field.integer_range
        return value if whole is None else max(min(whole, 2**53), -(2**53)) if low <= whole <= high else 2**70
    return value


def smaller(value: Any) -> Any:
    """Bring the whole numbers of 64 bits within the doubles of 64 bits."""
    if isinstance(value, dict):
        return {key: smaller(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [smaller(inner) for inner in value]
    if value.__class__ is int and -(2**63) <= value < 2**64:
        return max(min(value, int(LARGEST_NUMBER)), int(LEAST_NUMBER))
    return value
