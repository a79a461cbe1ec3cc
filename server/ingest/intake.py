"""The events of one request, in either form in which callers send them, and how to read and to refuse each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from events import violations
from events.event_type import Form
from events.json.document import Broken, DocumentError, JsonValue, read_event, read_events
from events.normalize import INVALID_EVENT, Normalizer, Rejected, Row
from events.rejection import Rejection, reject_event, reject_json
from server.ingest.body import read_body
from server.ingest.errors import InvalidRequestError
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.schema_service_pb2 import ValidateRequest
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackEventsRequest, TrackRequest

MAX_EVENTS_PER_MESSAGE = 5_000
"""Bounds how long one message can block others: this many events take about 50 ms to prepare."""


@dataclass(frozen=True, slots=True)
class Intake:
    """The events of one request.

    Attributes:
        form: of its events, and of the names in their violations.
        events: messages, or parsed JSON.
        backfill: whether they are an import of old data.
        size_bytes: of the request, about.
        prepare: makes the row of an event, or the reason for its rejection; takes the event, the time of receipt and
            `backfill`.
        reject: makes the rejection of an event; takes its place in the request, why, the time of receipt and the
            method's name.
        id_of: reads the id that an event was sent with; falsy if it had none.
    """

    form: Form
    events: Sequence[Any]
    backfill: bool
    size_bytes: int
    prepare: Callable[..., Row | Rejected]
    reject: Callable[[int, Rejected, datetime, str], Rejection]
    id_of: Callable[[Any], object]
    unreadable: Rejected | None = None
    """Why the request's body is no JSON: then it stands for one event, which is rejected."""


def open_event(request: TrackRequest | ValidateRequest, normalizer: Normalizer, address: str) -> Intake:
    """Take the one event of a request.

    Args:
        request: with an event in one of its two forms.
        normalizer: the rules.
        address: that of the client, for an event that names none; may be empty.

    Raises:
        InvalidRequestError: it has both forms, or a body that is not called JSON.
    """
    if not request.HasField("body"):
        event = request.event
        _fill_addresses((event,), address)
        return _of_messages((event,), normalizer, size_bytes=request.ByteSize())
    body = read_body(request.body, "event", given=request.HasField("event"))
    return _of_json(
        (read_event(body),),
        lambda _: body,
        normalizer,
        size_bytes=len(body),
        address=address,
        event_type=request.event_type,
    )


def open_events(request: TrackEventsRequest, normalizer: Normalizer, address: str) -> Intake:
    """Take the events of a request.

    Args:
        request: with events in one of its two forms.
        normalizer: the rules.
        address: that of the client, for events that name none and are no backfill; may be empty.

    Raises:
        InvalidRequestError: it has both forms, or a body that is not called JSON or holds no list of events.
    """
    if not request.HasField("body"):
        if not request.backfill:
            _fill_addresses(request.events, address)
        return open_messages(request, normalizer)
    body = read_body(request.body, "events", given=bool(request.events))
    try:
        document = read_events(body, most=MAX_EVENTS_PER_MESSAGE)
    except DocumentError as exc:
        if exc.violation.rule != violations.JSON:
            raise InvalidRequestError(exc.violation, reason=exc.reason) from None
        broken = _of_json((Broken(exc.violation),), lambda _: body, normalizer, size_bytes=len(body))
        return replace(broken, unreadable=Rejected("", INVALID_EVENT, (exc.violation,)))
    backfill = request.backfill or document.backfill
    return _of_json(
        document.values,
        document.raw,
        normalizer,
        size_bytes=len(body),
        backfill=backfill,
        address="" if backfill else address,
    )


def open_messages(request: TrackBatchRequest | TrackEventsRequest, normalizer: Normalizer) -> Intake:
    """Take the messages of a request as they are."""
    return _of_messages(request.events, normalizer, size_bytes=request.ByteSize(), backfill=request.backfill)


def _fill_addresses(events: Sequence[Event], address: str) -> None:
    if address:
        for event in events:
            if not event.ip_address:
                event.ip_address = address


def _of_messages(events: Sequence[Event], normalizer: Normalizer, *, size_bytes: int, backfill: bool = False) -> Intake:
    def reject(index: int, rejected: Rejected, received_at: datetime, source: str) -> Rejection:
        return reject_event(events[index], rejected, received_at, source)

    return Intake(Form.MESSAGE, events, backfill, size_bytes, normalizer.prepare, reject, _id_of_message)


def _of_json(
    values: Sequence[JsonValue],
    raw: Callable[[int], bytes],
    normalizer: Normalizer,
    *,
    size_bytes: int,
    backfill: bool = False,
    address: str = "",
    event_type: str = "",
) -> Intake:
    def reject(index: int, rejected: Rejected, received_at: datetime, source: str) -> Rejection:
        return reject_json(raw(index), values[index], rejected, received_at, source, event_type=event_type)

    prepare = partial(normalizer.prepare_json, event_type=event_type, address=address)
    return Intake(Form.JSON, values, backfill, size_bytes, prepare, reject, _id_of_value)


_id_of_message = attrgetter("event_id")


def _id_of_value(value: dict[str, Any]) -> object:
    return value.get("eventId") or value.get("event_id")
