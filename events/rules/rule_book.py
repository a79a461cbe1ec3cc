"""The rules of a catalogue, compiled for both forms of events, and the descriptions of their violations.

`events.rules.message_rules` and `events.rules.json_rules` read the events.
"""

from typing import Any, NamedTuple

from events import violations
from events.event_type import Catalogue, EventType, Form, is_version, version_key
from events.rules.field_reader import Reader, compile_reader, note
from events.rules.field_rules import integer_problems, newer, text_problems
from events.violations import Problem, Violation, nearest, quoted

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
"""The values of a valid event; a field that is not set is an empty string, or None.

A plain tuple, because building a named one costs a twentieth of the whole path.
"""

ENVELOPE = ("event_id", "event_type", "user_id", "session_id", "sequence", "platform", "user_agent", "ip_address")
"""The plain fields of an event, in the order of the .proto file; but for its version, whose rules are the type's."""


class Plan(NamedTuple):
    """How to read the events of one version of one type."""

    version: str
    read_typed: Reader
    """Reads a typed message; notes violations by their full paths, which spares placing them."""
    read_data: Reader
    """Reads a payload that came as JSON; notes violations relative to it."""
    has_device: bool


_NO_PLAN = Plan("", lambda _message, _found: {}, lambda _message, _found: {}, has_device=True)
"""The plan of an event whose type is unknown: its payload is not read."""


class RuleBook:
    """The rules of a catalogue for the events of one form, and the descriptions of their violations."""

    def __init__(self, catalogue: Catalogue, form: Form, plans: dict[str, dict[str, Plan]]) -> None:
        """Take the plans of each version by type and version; the empty type is the unknown one's."""
        self.catalogue = catalogue
        self.form = form
        self.plans = plans
        self._read_device = compile_reader(catalogue.device, "", "device", form, "device")
        self.names = {name: field.name_in(form) for name, field in catalogue.envelope.items()}
        """The names that callers of this form use for the plain fields of an event."""
        self._types = catalogue.types
        self._envelope = [catalogue.envelope[name] for name in ENVELOPE]

    def missing_payload(self) -> Violation:
        """Describe a missing payload."""
        event_type = self.names["event_type"]
        problem = f"is missing; send {event_type} and data, or one of the typed payloads: {', '.join(self._types)}"
        return Violation("data", violations.NO_PAYLOAD, problem)

    def second_payload(self, path: str, typed: str) -> Violation:
        """Describe a second payload beside the typed one."""
        problem = f"is set together with the typed payload {typed}; keep one of them"
        return Violation(path, violations.PAYLOAD_AND_DATA, problem)

    def missing_type(self) -> Violation:
        """Describe `data` without an event type."""
        problem = f"is missing; with data it must be one of {', '.join(self._types)}"
        return Violation(self.names["event_type"], violations.REQUIRED, problem)

    def unknown_type(self, name: str) -> Violation:
        """Describe an unknown event type."""
        near = nearest(name, tuple(self._types))
        hint = f"did you mean {near}? " if near else ""
        problem = f"is {quoted(name)}; {hint}known types: {', '.join(self._types)}"
        return Violation(self.names["event_type"], violations.UNKNOWN_EVENT_TYPE, problem)

    def find_plan(self, name: str, version: str, found: list[Violation]) -> Plan:
        """Find the plan for the version of a type; an unknown version is a violation, and read as the newest one.

        Args:
            name: one of the types, or empty where it is unknown.
            version: as it was sent.
            found: takes what is wrong.
        """
        plan = self.plans[name].get(version)
        if plan is not None:
            return plan
        field = self.catalogue.envelope["schema_version"]
        if not is_version(version):
            note(found, self.names["schema_version"], text_problems(field, version))
        elif name:
            known = ", ".join(released.version for released in self._types[name].versions)
            problem = f"is {quoted(version)}; known versions of {name} events are {known}"
            note(found, self.names["schema_version"], [(violations.UNKNOWN_VERSION, problem)])
        return self.plans[name][""]

    def judge_envelope(self, values: tuple[Any, ...], name: str, found: list[Violation], by: str = "payload") -> None:
        """Collect all violations of the values of `ENVELOPE`.

        Args:
            values: of the types of their fields.
            name: the type of the event, empty where it is unknown.
            found: takes what is wrong.
            by: what says that it is of this type.
        """
        for field, value in zip(self._envelope, values, strict=True):
            path = self.names[field.name]
            if field.name == "event_type":
                if value and name and value != name:
                    problem = f"is {quoted(value)}, but the {by} is {name}; make them match, or leave it out"
                    note(found, path, [(violations.EVENT_TYPE_MISMATCH, problem)])
            elif field.name == "sequence":
                note(found, path, integer_problems(field, value))
            elif value and (field.format or len(value) > field.max_length or "\0" in value):
                note(found, path, text_problems(field, value))

    def read_device(
        self, device: Any, version: str, found: list[Violation], *, has_device: bool
    ) -> dict[str, Any] | None:
        """Read the device of an event of this version; None if it is empty or the version has none."""
        if has_device:
            return self._read_device(device, found) or None
        found.append(Violation("device", *newer(self.catalogue.device_since, version)))
        return None


def compile_plans(catalogue: Catalogue) -> dict[str, dict[str, Plan]]:
    """Make the plans of each version by type and version; the empty version is the newest, the empty type unknown."""
    plans = {name: _compile_type(catalogue, event_type) for name, event_type in catalogue.types.items()}
    return plans | {"": {"": _NO_PLAN}}


def _compile_type(catalogue: Catalogue, event_type: EventType) -> dict[str, Plan]:
    since, fields, owner = catalogue.device_since, event_type.fields, f"{event_type.name} event"
    plans = {
        version: Plan(
            version,
            compile_reader(fields, version, owner, Form.MESSAGE, event_type.name),
            compile_reader(fields, version, owner, Form.JSON),
            not since or version_key(version) >= version_key(since),
        )
        for version in (released.version for released in event_type.versions)
    }
    return plans | {"": plans[event_type.newest]}


def placed(inner: list[Violation], place: str) -> list[Violation]:
    """Place violations inside of the payload that they were found in."""
    return [Violation(f"{place}.{field}", rule, description) for field, rule, description in inner]


def time_problem(microseconds: int) -> Problem:
    """Describe a time that is out of range: before 1970, or after the year 9999."""
    if microseconds < 0:
        return violations.TIMESTAMP, "is before 1970-01-01T00:00:00Z, the earliest time accepted"
    return violations.TIMESTAMP, "is not a valid time: the last is in the year 9999, and nanos must be in 0..999999999"
