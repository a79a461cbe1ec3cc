"""Every rule: what breaks it, how it is told, and what just keeps it."""

import math
from copy import deepcopy
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from events.rules.validation import Validator
from events.violations import MAX_VIOLATIONS, TOO_MANY_VIOLATIONS, Violation
from sociallive.analytics.v1.event_pb2 import Event
from tests.unit.event_samples import (
    CATALOGUE,
    EVENT_ID,
    JSONS,
    MESSAGES,
    MINIMAL,
    VALIDATOR,
    VIEW,
    Maker,
    by_data,
    json_by_data,
    json_typed,
    only,
    path_in,
    rules_of,
    typed,
    validate,
)

KNOWN = ", ".join(CATALOGUE.types)
"""How a description lists the event types."""


@pytest.mark.parametrize("name", list(MINIMAL))
@pytest.mark.parametrize("version", ["", "1.0.0", "1.1.0"])
def test_required_fields_alone_are_valid_in_every_version(name: str, version: str) -> None:
    """An event of core fields passes in both forms."""
    for make in (*MESSAGES, *JSONS):
        assert rules_of(make(name, MINIMAL[name], schemaVersion=version)) == []


def test_an_event_without_payload_says_what_to_give() -> None:
    """Nothing at all, and a type alone, are both told."""
    assert only(Event()) == Violation(
        "data",
        "NO_PAYLOAD",
        f"is missing; send event_type and data, or one of the typed payloads: {KNOWN}",
    )
    assert only({}).description == f"is missing; send eventType and data, or one of the typed payloads: {KNOWN}"
    assert only(Event(event_type="view")).rule == only({"eventType": "view"}).rule == "NO_PAYLOAD"
    assert rules_of(Event(event_type="visit")) == [("data", "NO_PAYLOAD"), ("event_type", "UNKNOWN_EVENT_TYPE")]


def test_a_payload_and_data_contradict_each_other() -> None:
    """An empty `data` counts: it was sent."""
    event = typed("view", VIEW)
    event.data.SetInParent()
    told = Violation("data", "PAYLOAD_AND_DATA", "is set together with the typed payload view; keep one of them")
    assert only(event) == only({"view": VIEW, "data": {}}) == told
    assert only({"view": VIEW, "session": MINIMAL["session"]}) == told._replace(field="session")


def test_data_needs_its_event_type() -> None:
    """The type cannot be guessed from the fields."""
    violation = only(Event(data=_struct(VIEW)))
    assert (violation.field, violation.rule) == ("event_type", "REQUIRED")
    assert KNOWN in violation.description
    assert only({"data": VIEW}) == violation._replace(field="eventType")


def test_the_event_type_must_agree_with_the_typed_payload() -> None:
    """It may be left out, or repeat the payload's name."""
    assert rules_of(typed("view", VIEW, eventType="view")) == []
    told = Violation(
        "event_type", "EVENT_TYPE_MISMATCH", "is 'purchase', but the payload is view; make them match, or leave it out"
    )
    assert only(typed("view", VIEW, eventType="purchase")) == told
    assert only(json_typed("view", VIEW, eventType="purchase")) == told._replace(field="eventType")


def test_an_unknown_event_type_lists_the_known_and_the_nearest() -> None:
    """A typo gets its correction; anything else the list."""
    near = only(by_data("purchse", {}))
    assert near.rule == "UNKNOWN_EVENT_TYPE"
    assert near.description == f"is 'purchse'; did you mean purchase? known types: {KNOWN}"
    assert "did you mean" not in only(by_data("zzz", {})).description


def test_an_unknown_version_lists_the_known() -> None:
    """The other rules are checked by the newest version all the same."""
    assert only(typed("view", VIEW, schemaVersion="2.0.0")).description == (
        "is '2.0.0'; known versions of view events are 1.0.0, 1.1.0"
    )
    assert rules_of(typed("view", {"scrollDepth": 2, **VIEW}, schemaVersion="2.0.0")) == [
        ("schema_version", "UNKNOWN_VERSION"),
        ("view.scroll_depth", "MAXIMUM"),
    ]


@pytest.mark.parametrize("version", ["1", "v1.1.0", "1.1", "1.01.0", " 1.1.0", "1.1.0\n", "1.1.0\0"])
def test_a_version_is_three_numbers(version: str) -> None:
    """Its shape is checked before the list is asked."""
    assert ("schema_version", "VERSION") in rules_of(typed("view", VIEW, schemaVersion=version))


def test_fields_of_a_newer_version_are_refused_and_named() -> None:
    """Zero, an empty object and a list count as set."""
    newer = {"viewDuration": 0, "scrollDepth": 0.5, "referrer": "feed"}
    violations = validate(typed("view", VIEW | newer, schemaVersion="1.0.0"))
    assert [violation.field for violation in violations] == [
        "view.view_duration",
        "view.scroll_depth",
        "view.referrer",
    ]
    assert violations[0] == Violation(
        "view.view_duration",
        "SINCE",
        "was added in version 1.1.0, and this event has version 1.0.0; leave it out, or send version 1.1.0",
    )
    purchase = MINIMAL["purchase"] | {"metadata": {}, "conversionPath": ["view"]}
    for make in (*MESSAGES, *JSONS):
        assert rules_of(make("purchase", purchase, schemaVersion="1.0.0")) == [
            (path_in(make, "purchase", "conversionPath"), "SINCE"),
            (path_in(make, "purchase", "metadata"), "SINCE"),
        ]


def test_the_device_came_with_1_1_0() -> None:
    """It is refused under 1.0.0 and checked under 1.1.0."""
    device = {"os": "x" * 65}
    for make in (typed, json_typed):
        assert rules_of(make("view", VIEW, schemaVersion="1.0.0", device=device)) == [("device", "SINCE")]
    told = Violation("device.os_version", "MAX_LENGTH", "has 65 characters; at most 64 are allowed")
    assert only(typed("view", VIEW, device={"osVersion": "x" * 65})) == told
    assert only(json_typed("view", VIEW, device={"osVersion": "x" * 65})) == told._replace(field="device.osVersion")


@pytest.mark.parametrize("make", [*MESSAGES, *JSONS])
def test_all_missing_fields_are_named_in_one_answer(make: Maker) -> None:
    """A caller mends them in one go; an empty text is missing, a zero is not."""
    missing = [(path_in(make, "purchase", name), "REQUIRED") for name in ("currency", "orderId", "productId")]
    assert rules_of(make("purchase", {"productId": "", "amount": 0})) == missing
    assert rules_of(make("purchase", {})) == [(path_in(make, "purchase", "amount"), "REQUIRED"), *missing]


@pytest.mark.finding(15)
def test_a_path_is_told_as_the_caller_wrote_it() -> None:
    """By proto names in a message, by JSON names in JSON, under `data` or under the payload."""
    incomplete = {"contentType": "post"}
    assert only(typed("view", incomplete)).field == "view.content_id"
    assert only(by_data("view", incomplete)).field == only(json_by_data("view", incomplete)).field == "data.contentId"
    assert only(json_typed("view", incomplete)) == Violation(
        "view.contentId", "REQUIRED", "is missing; every view event needs it: a non-empty string"
    )


@pytest.mark.parametrize(
    ("name", "values", "rule", "description"),
    [
        ("purchase", {"amount": -0.01}, "MINIMUM", "is -0.01; the minimum is 0"),
        ("purchase", {"amount": 1e12 + 1}, "MAXIMUM", "is 1000000000001; the maximum is 1000000000000"),
        ("purchase", {"quantity": 0}, "MINIMUM", "is 0; the minimum is 1"),
        ("view", {"scrollDepth": 1.5}, "MAXIMUM", "is 1.5; the maximum is 1"),
        ("view", {"viewDuration": 86401}, "MAXIMUM", "is 86401; the maximum is 86400 s"),
        ("stream", {"bitrateKbps": -5}, "MINIMUM", "is -5; the minimum is 0 kbps"),
        ("session", {"duration": -1}, "MINIMUM", "is -1; the minimum is 0 s"),
        ("view", {"scrollDepth": "NaN"}, "FINITE", "is nan; expected a finite number"),
        ("purchase", {"amount": "Infinity"}, "FINITE", "is inf; expected a finite number"),
        ("purchase", {"amount": "-Infinity"}, "FINITE", "is -inf; expected a finite number"),
        ("purchase", {"currency": "usd"}, "CURRENCY", "is 'usd'; write the code in upper case: 'USD'"),
        (
            "purchase",
            {"currency": "DEM"},
            "CURRENCY",
            "is 'DEM'; expected an active ISO 4217 code, such as 'USD' or 'EUR'",
        ),
        ("session", {"action": "stop"}, "ALLOWED_VALUES", "is 'stop'; must be one of start, heartbeat, end"),
        ("view", {"contentId": "x" * 257}, "MAX_LENGTH", "has 257 characters; at most 256 are allowed"),
        ("view", {"contentId": "a\0b"}, "NUL", "contains a NUL character (U+0000), which cannot be stored; remove it"),
    ],
)
@pytest.mark.parametrize("make", [*MESSAGES, *JSONS])
def test_a_value_outside_of_its_rule(
    make: Maker, name: str, values: dict[str, Any], rule: str, description: str
) -> None:
    """The description tells what was found and what is allowed, alike in both forms."""
    violation = only(make(name, MINIMAL[name] | values))
    assert (violation.rule, violation.description) == (rule, description)
    assert violation.field == path_in(make, name, next(iter(values)))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("purchase", {"amount": 0, "quantity": 1_000_000}),
        ("purchase", {"amount": 1e12, "currency": "JPY"}),
        ("view", {"scrollDepth": 1, "viewDuration": 0}),
        ("view", {"contentId": "é" * 256}),
        ("view", {"contentType": "a type of one's own"}),
        ("purchase", {"conversionPath": ["x" * 256] * 64, "metadata": {"a": {"b": {"c": {"d": 1}}}}}),
    ],
)
def test_bounds_are_inclusive_and_known_values_are_no_limit(name: str, values: dict[str, Any]) -> None:
    """What lies on the edge is valid; lengths count characters, not bytes."""
    for make in (*MESSAGES, *JSONS):
        assert rules_of(make(name, MINIMAL[name] | values)) == []


@pytest.mark.parametrize(
    ("envelope", "rule"),
    [
        ({"eventId": "uuid"}, "UUID"),
        ({"eventId": "{" + EVENT_ID + "}"}, "UUID"),
        ({"eventId": "urn:uuid:" + EVENT_ID}, "UUID"),
        ({"eventId": EVENT_ID.replace("-", "")}, "UUID"),
        ({"eventId": EVENT_ID + "\n"}, "UUID"),
        ({"ipAddress": "203.0.113.7:80"}, "IP_ADDRESS"),
        ({"ipAddress": "fe80::1%eth0"}, "IP_ADDRESS"),
        ({"ipAddress": "256.1.1.1"}, "IP_ADDRESS"),
        ({"userId": "x" * 257}, "MAX_LENGTH"),
        ({"sessionId": "x" * 257}, "MAX_LENGTH"),
        ({"platform": "x" * 65}, "MAX_LENGTH"),
        ({"userAgent": "x" * 1025}, "MAX_LENGTH"),
        ({"userId": "\0"}, "NUL"),
        ({"sessionId": "a\0"}, "NUL"),
        ({"platform": "\0a"}, "NUL"),
        ({"userAgent": "a\0a"}, "NUL"),
        ({"sequence": -1}, "MINIMUM"),
    ],
)
def test_the_envelope_has_rules_too(envelope: dict[str, Any], rule: str) -> None:
    """One field is named, by the name of its form."""
    name = next(iter(envelope))
    violation = only(typed("view", VIEW, **envelope))
    assert (CATALOGUE.envelope[violation.field].json_name, violation.rule) == (name, rule)
    assert only(json_typed("view", VIEW, **envelope)) == violation._replace(field=name)


def test_an_address_is_never_repeated() -> None:
    """What cannot be parsed may still be somebody's address."""
    assert "203" not in only(typed("view", VIEW, ipAddress="203.0.114.7:80")).description.replace("203.0.113.7", "")


@pytest.mark.parametrize("field", ["timestamp", "sent_at"])
@pytest.mark.parametrize(
    ("seconds", "nanos", "says"),
    [
        (-1, 0, "before 1970"),
        (253_402_300_800, 0, "year 9999"),
        (1, -1, "nanos"),
        (1, 1_000_000_000, "nanos"),
    ],
)
def test_a_timestamp_must_be_a_time(field: str, seconds: int, nanos: int, says: str) -> None:
    """Protobuf carries numbers that are no times."""
    event = typed("view", VIEW)
    stamp = getattr(event, field)
    stamp.seconds, stamp.nanos = seconds, nanos
    violation = only(event)
    assert (violation.field, violation.rule) == (field, "TIMESTAMP")
    assert says in violation.description


@pytest.mark.parametrize(
    ("metadata", "path", "rule"),
    [
        ({"a": {"b": {"c": {"d": {}}}}}, "metadata.a.b.c.d", "MAX_DEPTH"),
        ({"a": [[[["x"]]]]}, "metadata.a[0][0][0]", "MAX_DEPTH"),
        ({f"k{i}": 1 for i in range(65)}, "metadata", "MAX_ITEMS"),
        ({"a": [1] * 65}, "metadata.a", "MAX_ITEMS"),
        ({"a": {"b": "x" * 1025}}, "metadata.a.b", "MAX_LENGTH"),
        ({"x" * 1025: 1}, f"metadata.{'x' * 40}...", "MAX_LENGTH"),
        ({"a": ["ok", "n\0"]}, "metadata.a[1]", "NUL"),
        ({"a\0": 1}, "metadata.a\\x00", "NUL"),
    ],
)
@pytest.mark.parametrize("make", [*MESSAGES, *JSONS])
def test_free_objects_have_limits(make: Maker, metadata: dict[str, Any], path: str, rule: str) -> None:
    """The path leads to the very value, and holds no NUL itself."""
    violation = only(make("engagement", MINIMAL["engagement"] | {"metadata": metadata}))
    assert (violation.field, violation.rule) == (path_in(make, "engagement", path), rule)


def test_a_number_in_a_free_object_is_finite() -> None:
    """JSON cannot hold NaN, but protobuf can."""
    event = typed("engagement", MINIMAL["engagement"])
    event.engagement.metadata.fields["a"].number_value = math.nan
    assert only(event)[:2] == ("engagement.metadata.a", "FINITE")


@pytest.mark.parametrize("make", [*MESSAGES, *JSONS])
def test_lists_have_limits(make: Maker) -> None:
    """Too many items are told once, a bad item by its place."""
    purchase, path = MINIMAL["purchase"], path_in(make, "purchase", "conversionPath")
    assert rules_of(make("purchase", purchase | {"conversionPath": ["a"] * 65})) == [(path, "MAX_ITEMS")]
    assert rules_of(make("purchase", purchase | {"conversionPath": ["a", "b\0", "x" * 257]})) == [
        (f"{path}[1]", "NUL"),
        (f"{path}[2]", "MAX_LENGTH"),
    ]


def test_all_violations_are_told_at_once() -> None:
    """Envelope, version, payload and device in one answer."""
    payload = {"productId": "p\0", "amount": -1, "currency": "EURO", "quantiy": 1}
    envelope = {"eventId": "1", "schemaVersion": "9.9.9", "device": {"os": "\0"}}
    inside = [
        ("data.amount", "MINIMUM"),
        ("data.currency", "CURRENCY"),
        ("data.orderId", "REQUIRED"),
        ("data.productId", "NUL"),
        ("data.quantiy", "UNKNOWN_FIELD"),
        ("device.os", "NUL"),
    ]
    around = [("event_id", "UUID"), ("schema_version", "UNKNOWN_VERSION")]
    assert rules_of(by_data("purchase", payload, **envelope)) == [*inside, *around]
    around = [("eventId", "UUID"), ("schemaVersion", "UNKNOWN_VERSION")]
    assert rules_of(json_by_data("purchase", payload, **envelope)) == [*inside, *around]


def test_the_answer_to_a_hostile_event_is_bounded() -> None:
    """Ten thousand unknown fields do not make ten thousand descriptions."""
    many = {f"{i}{'x' * 100}": 1 for i in range(10_000)}
    for event in (by_data("view", many), json_by_data("view", many), json_by_data("view", VIEW, **many)):
        violations = validate(event)
        assert len(violations) == MAX_VIOLATIONS + 1
        assert violations[-1].rule == TOO_MANY_VIOLATIONS
        assert max(len(violation.description) for violation in violations) < 300


def test_judging_changes_no_event() -> None:
    """Neither a valid event nor a broken one, in either form."""
    for event in (typed("view", VIEW), by_data("view", VIEW), by_data("view", {"x": 1}, eventId="1"), Event()):
        before = event.SerializeToString(deterministic=True)
        VALIDATOR.validate(event)
        assert event.SerializeToString(deterministic=True) == before
    value = json_by_data(
        "purchase", MINIMAL["purchase"] | {"quantity": "2", "metadata": {"b": 1.0, "a": []}}, user_id=1
    )
    copy = deepcopy(value)
    validate(value)
    assert repr(value) == repr(copy)


def test_a_validator_reads_the_services_own_catalogue_unless_told() -> None:
    """The default is the one that the service runs by."""
    assert list(Validator().catalogue.types) == list(CATALOGUE.types)


def _struct(values: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(values)
    return struct
