"""Events as JSON text, each with one fault, and how it is told."""

import json
from dataclasses import dataclass
from typing import Any

VIEW: dict[str, Any] = {"contentType": "post", "contentId": "post-123"}
PURCHASE: dict[str, Any] = {"productId": "p", "orderId": "o", "amount": 29.99, "currency": "USD"}
ENGAGEMENT: dict[str, Any] = {"action": "like", "targetType": "post", "targetId": "p"}


@dataclass(frozen=True, slots=True)
class Fault:
    """An event with one fault.

    Attributes:
        text: the JSON, as it is sent; blanks and order of fields are part of it.
        field: the path that the violation names.
        rule: the rule that it names.
        reason: of the rejection.
    """

    text: str
    field: str
    rule: str
    reason: str = "INVALID_EVENT"


def _view(field: str, rule: str, *, reason: str = "INVALID_EVENT", **fields: Any) -> Fault:
    return Fault(json.dumps({"eventType": "view", "data": VIEW, **fields}), field, rule, reason)


def _data(event_type: str, valid: dict[str, Any], field: str, rule: str, **members: Any) -> Fault:
    return Fault(json.dumps({"eventType": event_type, "data": {**valid, **members}}, indent=1), field, rule)


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in VIEW.items() if key != name}


FAULTS = [
    Fault("null", "event", "TYPE"),
    Fault("5", "event", "TYPE"),
    Fault('"an event"', "event", "TYPE"),
    Fault('[ {"eventType": "view"} ]', "event", "TYPE"),
    Fault('{ "eventType" : "view" }', "data", "NO_PAYLOAD"),
    Fault(json.dumps({"data": VIEW}), "eventType", "REQUIRED"),
    Fault(json.dumps({"eventType": "view", "data": VIEW, "view": VIEW}), "data", "PAYLOAD_AND_DATA"),
    Fault(json.dumps({"eventType": "purchase", "view": VIEW}), "eventType", "EVENT_TYPE_MISMATCH"),
    Fault(json.dumps({"view": _without("contentId")}), "view.contentId", "REQUIRED"),
    Fault(json.dumps({"eventType": "view", "data": _without("contentType")}), "data.contentType", "REQUIRED"),
    _view("eventType", "UNKNOWN_EVENT_TYPE", eventType="vieww"),
    _view("eventType", "TYPE", eventType=5),
    _view("data", "TYPE", data=["contentType"]),
    _view("userId", "TYPE", userId=5),
    _view("userId", "TYPE", user_id=["u"]),
    _view("usrId", "UNKNOWN_FIELD", usrId="u"),
    _view("userId", "NUL", userId="a\0b"),
    _view("userId", "MAX_LENGTH", userId="u" * 257),
    _view("platform", "MAX_LENGTH", platform="p" * 65),
    _view("eventId", "UUID", eventId="uuid"),
    _view("schemaVersion", "UNKNOWN_VERSION", schemaVersion="9.9.9"),
    _view("schemaVersion", "VERSION", schemaVersion="one"),
    _view("timestamp", "TYPE", timestamp=1_700_000_000),
    _view("timestamp", "TIMESTAMP", timestamp="yesterday"),
    _view("timestamp", "TOO_OLD", reason="EVENT_TOO_OLD", timestamp="2020-01-01T00:00:00Z"),
    _view("sequence", "MINIMUM", sequence=-1),
    _view("sequence", "TYPE", sequence=1.5),
    _view("device", "TYPE", device="phone"),
    _view("device.oss", "UNKNOWN_FIELD", device={"oss": "Android"}),
    _view("device", "SINCE", schemaVersion="1.0.0", device={"os": "Android"}),
    _data("view", VIEW, "data.contentTipe", "UNKNOWN_FIELD", contentTipe="post"),
    _data("view", VIEW, "data.viewDuration", "MINIMUM", viewDuration=-1),
    _data("view", VIEW, "data.viewDuration", "TYPE", viewDuration="long"),
    _data("view", VIEW, "data.scrollDepth", "MAXIMUM", scrollDepth=2),
    _data("purchase", PURCHASE, "data.currency", "CURRENCY", currency="QQQ"),
    _data("purchase", PURCHASE, "data.amount", "MINIMUM", amount=-1),
    _data("purchase", PURCHASE, "data.conversionPath", "TYPE", conversionPath="view"),
    _data("purchase", PURCHASE, "data.conversionPath[1]", "TYPE", conversionPath=["view", 2]),
    _data("engagement", ENGAGEMENT, "data.metadata", "TYPE", metadata="none"),
    _data("stream", {"streamId": "s", "action": "join"}, "data.viewerCount", "TYPE", viewerCount="many"),
]
"""Forty different ones."""
