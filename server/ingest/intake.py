"""The events of one request, in either form in which callers send them, and how to read and to refuse each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from events.json_document import DocumentError, JsonValue, read_event, read_events
from events.normalize import Normalizer, Rejected, Row
from events.rejection import Rejection, reject_event, reject_json
from server.ingest.body import read_body
from server.ingest.errors import InvalidRequestError
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.schema_service_pb2 import ValidateRequest
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackEventsRequest, TrackRequest

MAX_EVENTS_PER_MESSAGE = 5_000
"""Bounds what one message can hold up: this many events take about 50 ms to prepare."""


@dataclass(frozen=True, slots=True)
class Intake:
    """The events of one request.

    Attributes:
        events: messages, or JSON objects.
        backfill: whether they are an import of old data.
        size_bytes: of the request, about.
        prepare: makes the row of an event, or tells why it is refused; takes the event, the time of receipt and
            `backfill`.
        reject: makes the rejection of an event; takes its place in the request, why, the time of receipt and the
            method's name.
        id_of: reads the id that an event came with; false where it came without one.
    """

    events: Sequence[Any]
    backfill: bool
    size_bytes: int
    prepare: Callable[..., Row | Rejected]
    reject: Callable[[int, Rejected, datetime, str], Rejection]
    id_of: Callable[[Any], object]
    unreadable: Rejected | None = None
    """Why the request's body is no JSON: then it stands for one event, which is rejected."""


def of_messages(request: TrackBatchRequest | TrackEventsRequest, normalizer: Normalizer) -> Intake:
    """Take the messages of a request as they are."""
    events = request.events
    return _of_messages(events, request.backfill, request.ByteSize(), normalizer)


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
        if address and not event.ip_address:
            event.ip_address = address
        return _of_messages((event,), backfill=False, size_bytes=request.ByteSize(), normalizer=normalizer)
    body = read_body(request.body, "event", given=request.HasField("event"))
    value = read_event(body)
    return _of_json((value,), lambda _: body, normalizer, len(body), request.event_type, address)


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
        if address and not request.backfill:
            for event in request.events:
                if not event.ip_address:
                    event.ip_address = address
        return of_messages(request, normalizer)
    body = read_body(request.body, "events", given=bool(request.events))
    try:
        document = read_events(body, most=MAX_EVENTS_PER_MESSAGE)
    except DocumentError as exc:
        if exc.violation.rule != violations.JSON:
            raise InvalidRequestError(exc.violation, reason=exc.reason) from None
        broken = Broken(exc.violation)
        intake = _of_json((broken,), lambda _: body, normalizer, len(body), "", "")
        return replace(intake, unreadable=Rejected("", INVALID_EVENT, (exc.violation,)))
    backfill = request.backfill or document.backfill
    intake = _of_json(document.values, document.raw, normalizer, len(body), "", "" if backfill else address)
    return replace(intake, backfill=True) if backfill else intake
