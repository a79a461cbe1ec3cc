"""Validation: compiles the catalogue into one function that reads an event and finds all that is wrong with it.

A valid event is read once and comes out as plain values, ready to be normalised; an event with violations comes out as
their list. Neither changes the event.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from events import violations
from events.catalogue import load_catalogue
from events.event_type import Catalogue, EventType, is_version, version_key
from events.field_rules import bounds, is_uuid, newer, number_problem, packed_address, text_problems
from events.message_reader import Reader, compile_reader, note
from events.payload_json import DataReader
from events.violations import Violation, bounded, nearest, quoted
from sociallive.analytics.v1.event_pb2 import Event

LATEST_S = 253_402_300_799
"""The last second of the year 9999, where protobuf's and Python's calendars end."""
NANOS_PER_S = 1_000_000_000

Reading = tuple[
    str,  # event type
    str,  # schema version, resolved
    str,  # event_id as it was sent, empty where it was not
    str,  # user_id
    str,  # session_id
    str,  # platform
    str,  # user_agent
    str,  # ip_address
    int,  # sequence
    int | None,  # timestamp in microseconds since 1970
    int | None,  # sent_at in microseconds since 1970
    dict[str, Any] | None,  # device
    dict[str, Any],  # payload
]
"""What a valid event says, as plain values: texts are empty, and None stands, where it says nothing.

A plain tuple, because building a named one costs a twentieth of the whole path.
"""

_ENVELOPE = ("event_id", "event_type", "user_id", "session_id", "sequence", "platform", "user_agent", "ip_address")
"""The plain fields of an event, in the order of the .proto file; but for its version, whose rules are the type's."""

# Methods of the class: a message looks for a field of that name first, which doubles the cost of a call.
_which_oneof = Event.WhichOneof
_has_field = Event.HasField


class _Plan(NamedTuple):
    """How to read the events of one version of one type."""

    version: str
    read_typed: Reader
    """Reads a typed payload; notes violations by their full paths, which spares placing them."""
    read_data: Reader
    """Reads the payload made from `data`; notes violations relative to it."""
    has_device: bool


_NO_PLAN = _Plan("", lambda _message, _found: {}, lambda _message, _found: {}, has_device=True)
"""The plan of an event whose type is unknown: its payload is not read."""


class Validator:
    """Reads and judges events by the rules of a catalogue; made once, then without state.

    Example:
        >>> Validator().validate(Event(event_type="view"))[0].rule
        'NO_PAYLOAD'
    """

    read: Callable[[Event], Reading | list[Violation]]
    """Read an event: a Reading where it is valid, else its violations (never an empty list, and bounded)."""

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        """Compile the rules. `catalogue`: the one of the service's own .proto files where missing."""
        self.catalogue = catalogue or load_catalogue()
        self._types = self.catalogue.types
        self._envelope = [self.catalogue.envelope[name] for name in _ENVELOPE]
        self._data_readers = {name: DataReader(event_type) for name, event_type in self._types.items()}
        self._device_reader = compile_reader(self.catalogue.device, "", "device", "device")
        self._plans = {name: self._compile_type(event_type) for name, event_type in self._types.items()}
        self._plans[""] = {"": _NO_PLAN}  # `_open_data` calls an unknown type so
        self.read = self._compile()

    def validate(self, event: Event) -> list[Violation]:
        """Find all that is wrong with an event; empty where it is valid."""
        reading = self.read(event)
        return reading if isinstance(reading, list) else []

    def _compile_type(self, event_type: EventType) -> dict[str, _Plan]:
        """Make the plan of each version; the empty version is the newest."""
        since, fields, owner = self.catalogue.device_since, event_type.fields, f"{event_type.name} event"
        plans = {
            version: _Plan(
                version,
                compile_reader(fields, version, owner, event_type.name),
                compile_reader(fields, version, owner),
                not since or version_key(version) >= version_key(since),
            )
            for version in (released.version for released in event_type.versions)
        }
        return plans | {"": plans[event_type.newest]}

    def _compile(self) -> Callable[[Event], Reading | list[Violation]]:
        """Make the closure that reads an event: a straight line for a valid one with a typed payload."""
        plans, open_data = self._plans, self._open_data
        envelope = self.catalogue.envelope
        user_limit, session_limit = envelope["user_id"].max_length, envelope["session_id"].max_length
        platform_limit, agent_limit = envelope["platform"].max_length, envelope["user_agent"].max_length
        sequence_low, sequence_high = (int(bound) for bound in bounds(envelope["sequence"]))

        def read(event: Event) -> Reading | list[Violation]:
            found: list[Violation] = []
            inner: list[Violation] | None = None  # of `data`, relative to it
            name = _which_oneof(event, "payload")
            if name is None or _has_field(event, "data"):
                name, payload, inner = open_data(event, name, found)
            else:
                payload = getattr(event, name)
            event_id, event_type, version = event.event_id, event.event_type, event.schema_version
            user_id, session_id, platform = event.user_id, event.session_id, event.platform
            agent, address, sequence = event.user_agent, event.ip_address, event.sequence
            try:
                resolved, read_typed, read_data, has_device = plans[name][version]
            except KeyError:
                self._judge_version(version, name, found)
                resolved, read_typed, read_data, has_device = plans[name][""]
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
                values = event_id, event_type, user_id, session_id, sequence, platform, agent, address
                self._judge_envelope(values, name, found)
            if inner is None:
                data = read_typed(payload, found)
            else:
                data = read_data(payload, inner) if payload is not None else {}
                if inner:
                    found += _placed(inner, name)
            device = (
                self._read_device(event, resolved, found, has_device=has_device)
                if _has_field(event, "device")
                else None
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
        self, event: Event, typed: str | None, found: list[Violation]
    ) -> tuple[str, Any, list[Violation] | None]:
        """Find the type and payload of an event that is not simply typed.

        Returns:
            The type's name, empty where it is unknown; its payload, None where there is none to read; and what is wrong
            inside of `data`, relative to it, None where the payload is typed.
        """
        if typed is not None:
            problem = f"is given beside the typed payload {typed}; keep one of them"
            found.append(Violation("data", "data", violations.PAYLOAD_AND_DATA, problem))
            return typed, getattr(event, typed), None
        name, has_data = event.event_type, event.HasField("data")
        if not has_data:
            typed_names = ", ".join(self._types)
            problem = f"is missing; give event_type and data, or one of the typed payloads: {typed_names}"
            found.append(Violation("data", "data", violations.NO_PAYLOAD, problem))
        if name in self._types:
            inner: list[Violation] = []
            return name, self._data_readers[name].read(event.data, inner) if has_data else None, inner
        if name:
            found.append(self._unknown_event_type(name))
        elif has_data:
            problem = f"is missing; data needs it to be one of {', '.join(self._types)}"
            found.append(Violation("event_type", "eventType", violations.REQUIRED, problem))
        return "", None, []

    def _unknown_event_type(self, name: str) -> Violation:
        near = nearest(name, tuple(self._types))
        hint = f"did you mean {near}? " if near else ""
        problem = f"is {quoted(name)}; {hint}known are {', '.join(self._types)}"
        return Violation("event_type", "eventType", violations.UNKNOWN_EVENT_TYPE, problem)

    def _judge_version(self, version: str, name: str, found: list[Violation]) -> None:
        """Tell what is wrong with a version that the type `name` does not have; `name` is empty where unknown."""
        field = self.catalogue.envelope["schema_version"]
        if version and not is_version(version):
            note(found, field, text_problems(field, version))
        elif name:
            known = ", ".join(released.version for released in self._types[name].versions)
            problem = f"is {quoted(version)}; known versions of {name} events are {known}"
            note(found, field, [(violations.UNKNOWN_VERSION, problem)])

    def _judge_envelope(self, values: tuple[Any, ...], name: str, found: list[Violation]) -> None:
        """Tell what is wrong with the values of `_ENVELOPE`, in as many words as it takes."""
        for field, value in zip(self._envelope, values, strict=True):
            if field.name == "event_type":
                if value and name and value != name:
                    problem = f"is {quoted(value)}, but the payload is {name}; make them agree, or leave it out"
                    note(found, field, [(violations.EVENT_TYPE_MISMATCH, problem)])
            elif field.name == "sequence":
                low, high = bounds(field)
                if not low <= value <= high:
                    note(found, field, [number_problem(field, value)])
            elif value and (field.format or len(value) > field.max_length or "\0" in value):
                note(found, field, text_problems(field, value))

    def _read_device(
        self, event: Event, version: str, found: list[Violation], *, has_device: bool
    ) -> dict[str, Any] | None:
        """Read the device; None where it says nothing."""
        if not has_device:
            rule, description = newer(self.catalogue.device_since, version)
            found.append(Violation("device", "device", rule, description))
            return None
        return self._device_reader(event.device, found) or None


def _placed(inner: list[Violation], name: str) -> list[Violation]:
    """Place what is wrong inside of `data`; a field of the wrong type is not called missing as well."""
    mistyped = {violation.field for violation in inner if violation.rule == violations.TYPE}
    return [
        Violation(f"{name}.{field}", f"data.{json_field}", rule, description)
        for field, json_field, rule, description in inner
        if rule != violations.REQUIRED or field not in mistyped
    ]


def _microseconds(name: str, stamp: Timestamp, found: list[Violation]) -> int | None:
    """Turn a timestamp into microseconds since 1970, cutting off what is finer; None where it is out of range."""
    seconds, nanos = stamp.seconds, stamp.nanos
    if 0 <= seconds <= LATEST_S and 0 <= nanos < NANOS_PER_S:
        return seconds * 1_000_000 + nanos // 1000
    if seconds < 0:
        problem = "lies before 1970-01-01T00:00:00Z, the earliest time that is taken"
    else:
        problem = "is no valid time: it ends with the year 9999, and its nanos lie in 0..999999999"
    found.append(Violation(name, "sentAt" if name == "sent_at" else name, violations.TIMESTAMP, problem))
    return None
