"""Finds contradictions in the .proto files' declarations, so that the service does not start with unintended rules."""

from collections.abc import Iterator
from itertools import pairwise
from math import isfinite

from events.event_type import (
    UNLIMITED,
    WIRE_MAX_DEPTH,
    Catalogue,
    CatalogueError,
    EventType,
    Field,
    Form,
    Kind,
    Upcast,
    is_newer,
    is_version,
    version_key,
)
from events.rules.field_reader import compile_reader
from events.violations import Violation

TEXT_FORMATS = frozenset({"UUID", "CURRENCY", "IP_ADDRESS", "VERSION"})
"""The formats that events.rules.field_rules can check."""

_WITH_TEXT = (Kind.TEXT, Kind.TEXTS, Kind.OBJECT)
_NUMERIC = (Kind.NUMBER, Kind.INTEGER)

_ENVELOPE_TEXTS = (
    "event_id",
    "event_type",
    "schema_version",
    "user_id",
    "session_id",
    "platform",
    "user_agent",
    "ip_address",
)
_NEEDED_FORMATS = {"event_id": "UUID", "schema_version": "VERSION", "ip_address": "IP_ADDRESS"}


def check_event_type(message: str, payload_field: str, event_type: EventType) -> None:
    """Refuse an event type whose name, versions or `since` contradict each other.

    Raises:
        CatalogueError: naming `message`, the full name of its payload message, and what to mend.
    """
    if event_type.name != payload_field:
        raise CatalogueError(
            f"{message} declares the event type {event_type.name!r}, but its field in the oneof `payload` is named "
            f"{payload_field!r}; the two must be equal, and each type must be in the oneof once"
        )
    versions = event_type.versions
    if not versions:
        raise CatalogueError(f"{message} declares no versions; it needs at least one")
    for older, newer in pairwise(versions):
        if version_key(older.version) >= version_key(newer.version):
            raise CatalogueError(
                f"{message} lists version {newer.version} after {older.version}; list the oldest first"
            )
        if older.released > newer.released:
            raise CatalogueError(f"{message} says that {newer.version} was released before {older.version}")
    for version in versions:
        if version.deprecated is not None and version.deprecated < version.released:
            raise CatalogueError(f"{message} says that {version.version} was deprecated before it was released")
    if versions[-1].deprecated is not None:
        raise CatalogueError(f"{message} deprecates {event_type.newest}, its newest version; release a newer one first")
    _check_since(message, event_type)
    _check_upcasts(message, event_type)


def _check_upcasts(message: str, event_type: EventType) -> None:
    versions = event_type.versions
    for older, newer in pairwise(versions):
        for upcast in newer.upcasts:
            problem = _upcast_problem(event_type, upcast, older.version, newer.version)
            if problem:
                raise CatalogueError(f"the upcast of {upcast.name} in version {newer.version} of {message} {problem}")
    if versions[0].upcasts:
        raise CatalogueError(
            f"{message} has upcasts in its first version, {versions[0].version}; upcasts start from an earlier version"
        )


def _upcast_problem(event_type: EventType, upcast: Upcast, older: str, newer: str) -> str:
    """Describe what is wrong with an upcast; empty if it is valid."""
    fields = {field.name: field for field in event_type.fields}
    field, source = fields.get(upcast.name), fields.get(upcast.source)
    if field is None or field.since != newer:
        return f"must set a field that is new in this version (one with since {newer!r})"
    if upcast.source:
        if source is None or is_newer(source, older):
            return f"takes the value of {upcast.source}, which version {older} does not have"
        if source.kind is not field.kind:
            return f"takes the value of {upcast.source}, which is {source.kind} and not {field.kind}"
        return ""
    found: list[Violation] = []
    compile_reader([field], newer, "", Form.JSON)({field.json_name: upcast.value}, found)
    return f"has the value {upcast.value!r}, which {found[0].description}" if found else ""


def _check_since(message: str, event_type: EventType) -> None:
    known = [version.version for version in event_type.versions]
    for field in event_type.fields:
        if field.since and field.since not in known:
            raise CatalogueError(
                f"{message}.{field.name} says since {field.since!r}, which is not a version of this type "
                f"({', '.join(known)})"
            )


def check_field(full_name: str, field: Field) -> None:
    """Refuse a field whose rules contradict its type or each other.

    Raises:
        CatalogueError: naming the field and all its problems.
    """
    problems = [*_misplaced_rules(field), *_impossible_bounds(field), *_contradictions(field)]
    if problems:
        raise CatalogueError(f"{full_name} {'; it '.join(problems)}")


def _misplaced_rules(field: Field) -> Iterator[str]:
    """Find rules that do not apply to the field's kind of value."""
    kind = field.kind
    if (field.minimum is not None or field.maximum is not None or field.unit) and kind not in _NUMERIC:
        yield f"has a minimum, maximum or unit but is {kind}"
    if field.max_length != UNLIMITED and kind not in _WITH_TEXT:
        yield f"has a max_length but is {kind}"
    if (field.format or field.allowed_values or field.known_values) and kind is not Kind.TEXT:
        yield f"has a format, allowed_values or known_values but is {kind}"
    if field.max_items != UNLIMITED and kind not in (Kind.TEXTS, Kind.OBJECT):
        yield f"has max_items but is {kind}"
    if field.max_depth != WIRE_MAX_DEPTH and kind is not Kind.OBJECT:
        yield f"has a max_depth but is {kind}"


def _impossible_bounds(field: Field) -> Iterator[str]:
    """Find bounds that no number of the field's kind can satisfy."""
    low, high = field.minimum, field.maximum
    bounds = [bound for bound in (low, high) if bound is not None]
    if not all(isfinite(bound) for bound in bounds):
        yield "has a bound that is not finite"
    elif field.kind is Kind.INTEGER and not all(bound.is_integer() for bound in bounds):
        yield "is a whole number but has a bound that is not"
    if low is not None and high is not None and low > high:
        yield f"has a minimum of {low:g}, above its maximum of {high:g}"


def _contradictions(field: Field) -> Iterator[str]:
    """Find rules that no value can satisfy, or that are misleading."""
    if field.since and not is_version(field.since):
        yield f'says since {field.since!r}, which is not a version number such as "1.1.0"'
    if field.required and field.kind in (*_NUMERIC, Kind.FLAG) and not field.tracks_presence:
        yield "is required but does not track presence, so zero would count as missing; declare it `optional`"
    if field.format and field.format not in TEXT_FORMATS:
        yield f"has the format {field.format}, which the service cannot check"
    if field.format and field.allowed_values:
        yield "has both a format and allowed_values; remove one of them"
    if len(set(field.allowed_values)) < len(field.allowed_values):
        yield "lists an allowed value twice"
    if any(not 0 < len(value) <= field.max_length for value in (*field.allowed_values, *field.known_values)):
        yield "lists an allowed or known value that is empty or longer than its max_length"
    if field.json_name != _default_json_name(field.name):
        yield "has a json_name of its own, but stored fields are found by the name that follows from theirs; remove it"
    if field.max_depth > WIRE_MAX_DEPTH:
        yield f"has a max_depth of {field.max_depth}, above the {WIRE_MAX_DEPTH} that a message can carry"


def _default_json_name(name: str) -> str:
    first, *words = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in words)


def check_envelope(event: str, catalogue: Catalogue) -> None:
    """Refuse an Event message that lacks the fields or formats that storage needs.

    Raises:
        CatalogueError: naming `event`, the full name of the message, and what to mend.
    """
    if not catalogue.types:
        raise CatalogueError(f"{event} has an empty oneof `payload`; declare an event type")
    expected = dict.fromkeys(_ENVELOPE_TEXTS, Kind.TEXT) | {"sequence": Kind.INTEGER}
    found = {name: field.kind for name, field in catalogue.envelope.items()}
    if found != expected:
        wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        raise CatalogueError(
            f"{event}: {', '.join(wrong)}: missing, unknown or of the wrong type; the event rules need these fields"
        )
    for name, field in catalogue.envelope.items():
        if field.required or field.since or field.allowed_values or field.format != _NEEDED_FORMATS.get(name, ""):
            raise CatalogueError(
                f"{event}.{name}: the envelope's fields take bounds and lengths, and only "
                f"{', '.join(_NEEDED_FORMATS)} have a format, their own"
            )
    released = {version.version for event_type in catalogue.types.values() for version in event_type.versions}
    if catalogue.device_since and catalogue.device_since not in released:
        raise CatalogueError(
            f"{event}.device says since {catalogue.device_since!r}, which is not a version of any event type"
        )
    if any(field.since for field in catalogue.device):
        raise CatalogueError(f"{event}.device: its fields cannot have `since`; set it on the field `device`")
