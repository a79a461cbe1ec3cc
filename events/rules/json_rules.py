"""Validates events that were sent as JSON, after `events.json.document` has parsed them."""

from collections.abc import Callable, Mapping
from typing import Any

from events import violations
from events.event_type import Kind
from events.json.timestamps import LATEST_S, read_rfc3339
from events.rules.field_reader import note
from events.rules.field_rules import (
    describe,
    integer_bounds,
    is_uuid,
    kind_of,
    packed_address,
    whole_number,
    wrong_type,
)
from events.rules.member_names import MemberNames
from events.rules.rule_book import ENVELOPE, Plan, Reading, RuleBook, placed, time_problem
from events.violations import Violation, bounded, quoted

Members = Mapping[str, Any]

LATEST_US = LATEST_S * 1_000_000 + 999_999
IGNORED = {"received_at": "receivedAt", "timestamp_source": "timestampSource"}
"""The fields that the service sets on reads and ignores on input, by both names."""
MESSAGES = {"timestamp": "timestamp", "sent_at": "sentAt", "device": "device", "data": "data"}
"""The other fields of an event, except its payload, by both names."""
_TIME_WANTED = 'write an RFC 3339 string, for example "2024-01-01T12:00:00Z"'


def compile_json_rules(book: RuleBook) -> Callable[[dict[str, Any], str], Reading | list[Violation]]:
    """Build the closure that reads JSON, with a fast path for a valid event with `data` and camelCase names."""
    plans = {name: versions for name, versions in book.plans.items() if name}
    envelope = book.catalogue.envelope
    user_limit, session_limit = envelope["user_id"].max_length, envelope["session_id"].max_length
    platform_limit, agent_limit = envelope["platform"].max_length, envelope["user_agent"].max_length
    sequence_low, sequence_high = integer_bounds(envelope["sequence"])
    opener = _Opener(book)
    plain_names = opener.plain_names

    def read(event: dict[str, Any], path_type: str = "") -> Reading | list[Violation]:
        found: list[Violation] = []
        place, members = "data", event  # the payload's name, and the members by their JSON names
        if not members.keys() <= plain_names:
            place, members = opener.open(event, path_type, found)
        get = members.get
        event_id, event_type, version = get("eventId", ""), get("eventType", ""), get("schemaVersion", "")
        user_id, session_id, platform = get("userId", ""), get("sessionId", ""), get("platform", "")
        agent, address, sequence = get("userAgent", ""), get("ipAddress", ""), get("sequence", 0)
        if (
            event_id.__class__ is not str
            or event_type.__class__ is not str
            or version.__class__ is not str
            or user_id.__class__ is not str
            or session_id.__class__ is not str
            or platform.__class__ is not str
            or agent.__class__ is not str
            or address.__class__ is not str
            or sequence.__class__ is not int
        ):
            values = event_id, event_type, user_id, session_id, sequence, platform, agent, address
            values = opener.convert(values, found)
            event_id, event_type, user_id, session_id, sequence, platform, agent, address = values
            version = opener.convert_text("schema_version", version, found)
        payload = get(place)
        name = path_type or event_type if place == "data" else place
        try:
            resolved, _, read_data, has_device = plans[name][version]
        except KeyError:
            name, (resolved, _, read_data, has_device) = opener.find_plan(name, version, payload, found)
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
            book.judge_envelope(values, name, found, "path's type" if name == path_type else "payload")
        inner: list[Violation] = []
        if payload.__class__ is dict:
            data = read_data(payload, inner)
            if inner:
                found += placed(inner, place)
        else:
            data = {}
            found.append(opener.no_payload(place, payload))
        device = get("device")
        if device is not None:
            device = opener.read_device(device, resolved, found, has_device=has_device)
        stamp, sent_at = get("timestamp"), get("sentAt")
        timestamp_us = None if stamp is None else _microseconds("timestamp", stamp, found)
        sent_at_us = None if sent_at is None else _microseconds("sentAt", sent_at, found)
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


class _Opener:
    """Reads events that are not in the usual form, and collects their violations."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        catalogue = book.catalogue
        self._types = tuple(catalogue.types)
        plain = {field.name: field.json_name for field in catalogue.envelope.values()} | MESSAGES | IGNORED
        self.plain_names = frozenset(plain.values())
        """The JSON names of an event's fields, except its typed payloads."""
        self._all_names = self.plain_names | {*self._types}
        self._names = MemberNames(
            (*plain.items(), *((name, name) for name in self._types)), "event", advice=self._advise
        )
        self._payload_names = {
            name
            for event_type in catalogue.types.values()
            for field in event_type.fields
            for name in (field.name, field.json_name)
        }

    def open(self, event: dict[str, Any], path_type: str, found: list[Violation]) -> tuple[str, dict[str, Any]]:
        """Bring the members to their JSON names, and find the one that is the payload: its name comes first."""
        members = event if event.keys() <= self._all_names else self._names.rename(event, found)
        payloads = [name for name in self._types if members.get(name) is not None]
        if not payloads:
            return "data", members
        typed = path_type if path_type in payloads else payloads[0]
        if path_type and typed != path_type:
            problem = f"is not a payload of the type in the path, {quoted(path_type)}; make them match"
            found.append(Violation(typed, violations.EVENT_TYPE_MISMATCH, problem))
        others = [name for name in (*payloads, "data") if name != typed and members.get(name) is not None]
        found += [self._book.second_payload(name, typed) for name in others]
        return typed, members

    def find_plan(self, name: str, version: str, payload: Any, found: list[Violation]) -> tuple[str, Plan]:
        """Find the plan of an event whose type or version is unknown, and add the violation."""
        if name not in self._types:
            if name:
                found.append(self._book.unknown_type(name))
            elif payload is not None and not any(each.field == self._book.names["event_type"] for each in found):
                found.append(self._book.missing_type())
            name = ""
        return name, self._book.find_plan(name, version, found)

    def convert(self, values: tuple[Any, ...], found: list[Violation]) -> tuple[Any, ...]:
        """Convert values of `ENVELOPE` to the types of their fields; null and invalid values become no value."""
        converted: list[Any] = []
        for name, value in zip(ENVELOPE, values, strict=True):
            if name != "sequence":
                converted.append(self.convert_text(name, value, found))
                continue
            whole = None if value is None else whole_number(value)
            if whole is None and value is not None:
                note(found, self._book.names[name], [wrong_type(self._book.catalogue.envelope[name], value)])
            converted.append(whole or 0)
        return tuple(converted)

    def convert_text(self, name: str, value: Any, found: list[Violation]) -> str:
        """Likewise a string."""
        if isinstance(value, str):
            return value
        if value is not None:
            field = self._book.catalogue.envelope[name]
            # An address is not repeated, and a number may be one.
            problem = (
                (violations.TYPE, f"is {kind_of(value)}; expected {Kind.TEXT}")
                if field.format == "IP_ADDRESS"
                else wrong_type(field, value)
            )
            note(found, self._book.names[name], [problem])
        return ""

    def no_payload(self, place: str, payload: Any) -> Violation:
        """Tell that an event's payload is missing, or no object."""
        if payload is None:
            return self._book.missing_payload()
        return Violation(place, violations.TYPE, f"is {describe(payload)}; expected {Kind.OBJECT}")

    def read_device(
        self, device: Any, version: str, found: list[Violation], *, has_device: bool
    ) -> dict[str, Any] | None:
        """Read the device; None where it says nothing, or is none."""
        if isinstance(device, dict):
            return self._book.read_device(device, version, found, has_device=has_device)
        found.append(Violation("device", violations.TYPE, f"is {describe(device)}; expected {Kind.OBJECT}"))
        return None

    def _advise(self, name: str) -> str:
        is_of_payload = name in self._payload_names
        return f'put the fields of the payload into data: {{"data": {{"{name}": ...}}}}' if is_of_payload else ""


def _microseconds(path: str, value: Any, found: list[Violation]) -> int | None:
    """Read a time as microseconds since 1970; None where it is none that is taken."""
    if value.__class__ is not str:
        note(found, path, [(violations.TYPE, f"is {describe(value)}; {_TIME_WANTED}")])
        return None
    microseconds = read_rfc3339(value)
    if microseconds is None:
        note(found, path, [(violations.TIMESTAMP, f"is {quoted(value)}; {_TIME_WANTED}")])
    elif not 0 <= microseconds <= LATEST_US:
        note(found, path, [time_problem(microseconds)])
    return microseconds
