"""Validates events that were sent as protobuf messages."""

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from events.json.timestamps import LATEST_S, NANOS_PER_S
from events.rules.field_reader import note
from events.rules.field_rules import integer_bounds, is_uuid, packed_address
from events.rules.object_reader import plain_object
from events.rules.rule_book import Reading, RuleBook, placed, time_problem
from events.violations import Violation, bounded
from sociallive.analytics.v1.event_pb2 import Event

# Methods of the class: a message looks for a field of that name first, which doubles the cost of a call.
_which_oneof = Event.WhichOneof
_has_field = Event.HasField


def compile_message_rules(book: RuleBook) -> Callable[[Event], Reading | list[Violation]]:
    """Build the closure that reads a message, with a fast path for a valid one with a typed payload."""
    plans, read_device, judge_envelope = book.plans, book.read_device, book.judge_envelope
    envelope = book.catalogue.envelope
    user_limit, session_limit = envelope["user_id"].max_length, envelope["session_id"].max_length
    platform_limit, agent_limit = envelope["platform"].max_length, envelope["user_agent"].max_length
    sequence_low, sequence_high = integer_bounds(envelope["sequence"])

    def read(event: Event) -> Reading | list[Violation]:
        found: list[Violation] = []
        inner: list[Violation] | None = None  # of `data`, relative to it
        name = _which_oneof(event, "payload")
        if name is None or _has_field(event, "data"):
            name, payload, inner = _open_data(book, event, name, found)
        else:
            payload = getattr(event, name)
        event_id, event_type, version = event.event_id, event.event_type, event.schema_version
        user_id, session_id, platform = event.user_id, event.session_id, event.platform
        agent, address, sequence = event.user_agent, event.ip_address, event.sequence
        try:
            resolved, read_typed, read_data, has_device = plans[name][version]
        except KeyError:
            resolved, read_typed, read_data, has_device = book.find_plan(name, version, found)
        if (
            (event_type and event_type != name)
            or (event_id and not is_uuid(event_id))
            or len(user_id) > user_limit
            or "\0" in user_id
            or len(session_id) > session_limit
            or "\0" in session_id
            or len(platform) > platform_limit
            or "\0" in platform
            or (agent and (len(agent) > agent_limit or "\0" in agent))
            or (address and packed_address(address) is None)
            or sequence < sequence_low
            or sequence > sequence_high
        ):
            judge_envelope((event_id, event_type, user_id, session_id, sequence, platform, agent, address), name, found)
        if inner is None:
            data = read_typed(payload, found)
        else:
            data = read_data(payload, inner) if payload is not None else {}
            if inner:
                found += placed(inner, "data")
        device = (
            read_device(event.device, resolved, found, has_device=has_device) if _has_field(event, "device") else None
        )
        timestamp_us = None
        stamp = event.timestamp
        seconds, nanos = stamp.seconds, stamp.nanos
        if 0 < seconds <= LATEST_S and 0 <= nanos < NANOS_PER_S:
            timestamp_us = seconds * 1_000_000 + nanos // 1000
        elif _has_field(event, "timestamp"):
            timestamp_us = _microseconds("timestamp", stamp, found)
        sent_at_us = _microseconds("sent_at", event.sent_at, found) if _has_field(event, "sent_at") else None
        if found:
            return bounded(found)
        return (
            name,
            resolved,
            event_id,
            user_id,
            session_id,
            platform,
            agent,
            address,
            sequence,
            timestamp_us,
            sent_at_us,
            device,
            data,
        )

    return read


def _open_data(
    book: RuleBook, event: Event, typed: str | None, found: list[Violation]
) -> tuple[str, Any, list[Violation] | None]:
    """Find the type and payload of an event that is not simply typed.

    Returns:
        The type's name, empty if it is unknown; its payload, None if there is none to read; and a list for violations
        inside `data`, None if the payload is typed.
    """
    if typed is not None:
        found.append(book.second_payload("data", typed))
        return typed, getattr(event, typed), None
    name, has_data = event.event_type, event.HasField("data")
    if not has_data:
        found.append(book.missing_payload())
    if name in book.catalogue.types:
        return name, plain_object(event.data) if has_data else None, []
    if name:
        found.append(book.unknown_type(name))
    elif has_data:
        found.append(book.missing_type())
    return "", None, []


def _microseconds(path: str, stamp: Timestamp, found: list[Violation]) -> int | None:
    """Convert a timestamp into microseconds since 1970, truncating finer digits; None if it is out of range."""
    seconds, nanos = stamp.seconds, stamp.nanos
    if 0 <= seconds <= LATEST_S and 0 <= nanos < NANOS_PER_S:
        return seconds * 1_000_000 + nanos // 1000
    note(found, path, [time_problem(seconds)])
    return None
