"""Patches: small changes of field values that mend an event before it is validated again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from events.violations import Violation, nearest, quoted
from runtime.errors import AnalyticsError
from sociallive.analytics.v1.event_pb2 import Event

MAX_STEPS = 16
"""Deeper than any path into an event, whose objects nest four deep."""
READ_ONLY = frozenset({"received_at", "timestamp_source"})
"""What the service sets on reads and ignores on input."""
DATA = "data"
PATCH_DOES_NOT_FIT = "PATCH_DOES_NOT_FIT"


class PatchError(AnalyticsError):
    """A change cannot be made to any event: the path leads nowhere."""

    reason: ClassVar[str] = "INVALID_PATCH"


class _MisfitError(Exception):
    """A change cannot be made to this event."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: set the field at `path` to a JSON value, or remove it where `remove` is true.

    Example:
        >>> event = Event(event_type="view")
        >>> apply_changes(event, [Change(("data", "contentType"), "post")])
        []
        >>> event.data["contentType"]
        'post'
    """

    path: tuple[str, ...]
    value: Any = None
    remove: bool = False


def read_path(text: str) -> tuple[str, ...]:
    """Read a path by JSON or proto names, for example "data.contentId", into its steps, by proto names where known.

    Raises:
        PatchError: no event has such a field, or it cannot be changed.
    """
    steps = tuple(text.split("."))
    if not all(steps) or len(steps) > MAX_STEPS:
        raise PatchError(f'must be names joined by dots, as in "data.contentId", not {quoted(text)}')
    field = _find(Event.DESCRIPTOR, steps[0])
    if field is None:
        raise PatchError(f"{quoted(text)} is no field of an event{_hint(Event.DESCRIPTOR, steps[0])}")
    if field.name in READ_ONLY:
        raise PatchError(f"{field.json_name} is set by the service and cannot be changed")
    return (field.name, *steps[1:])


def apply_changes(event: Event, changes: Sequence[Change]) -> list[Violation]:
    """Make the changes to an event, in order, and return what does not fit it; then the event is half changed.

    A path into the payload fits either form of it: `data.contentId` also changes a typed view, `view.contentId` also
    the `data` of a view. Fields may be called by either of their names.
    """
    found = []
    for change in changes:
        try:
            target, path = _open(event, change.path)
            if isinstance(target, Struct):
                _change_struct(target, path, change)
            else:
                _change_message(target, path, change)
        except _MisfitError as exc:
            name = ".".join(change.path)
            found.append(Violation(name, name, PATCH_DOES_NOT_FIT, str(exc)))
    return found


def _open(event: Event, path: tuple[str, ...]) -> tuple[Message, tuple[str, ...]]:
    """Find the message that a path goes through, and the steps inside of it."""
    first, inner = path[0], path[1:]
    typed = event.WhichOneof("payload")
    payloads = [field.name for field in Event.DESCRIPTOR.oneofs_by_name["payload"].fields]
    if not inner or first not in (DATA, *payloads):
        return event, path
    if first == DATA:
        if typed is None:
            return event.data, _data_path(event, event.event_type, inner)
        return getattr(event, typed), inner
    if typed is None and event.HasField(DATA):
        if event.event_type != first:
            raise _MisfitError(f"this is a {quoted(event.event_type)} event")
        return event.data, _data_path(event, first, inner)
    if typed not in (None, first):
        raise _MisfitError(f"this is a {typed} event")
    return getattr(event, first), inner


def _data_path(event: Event, event_type: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Write the first step under the one of its names that `data` uses, so that it does not stand there twice."""
    payload = Event.DESCRIPTOR.fields_by_name.get(event_type)
    field = _find(payload.message_type, path[0]) if payload is not None and payload.message_type is not None else None
    if field is None or field.name == field.json_name:
        return path
    members = event.data.fields
    uses_proto_name = field.name in members and field.json_name not in members
    return (field.name if uses_proto_name else field.json_name, *path[1:])


def _change_message(message: Message, path: tuple[str, ...], change: Change) -> None:
    field = _find(message.DESCRIPTOR, path[0])
    if field is None:
        hint = _hint(message.DESCRIPTOR, path[0])
        raise _MisfitError(f"{quoted(path[0])} is no field of {message.DESCRIPTOR.name}{hint}")
    if len(path) > 1:
        if field.message_type is None or field.is_repeated:
            raise _MisfitError(f"{field.json_name} holds no fields; change it as a whole")
        if change.remove and not message.HasField(field.name):
            return
        inner = getattr(message, field.name)
        inner.SetInParent()
        if isinstance(inner, Struct):
            _change_struct(inner, path[1:], change)
        else:
            _change_message(inner, path[1:], change)
        return
    if any(present.name == field.name for present, _ in message.ListFields()):  # likewise as for objects, below
        message.ClearField(field.name)
    if change.remove:
        return
    try:
        json_format.ParseDict({field.json_name: change.value}, message)
    except (json_format.ParseError, RecursionError, ValueError, TypeError):
        raise _MisfitError(f"{field.json_name} cannot be {_kind(change.value)}, or not this one") from None


def _change_struct(struct: Struct, path: tuple[str, ...], change: Change) -> None:
    *parents, last = path
    for step in parents:
        member = struct.fields.get(step)
        if member is None or member.WhichOneof("kind") != "struct_value":
            if change.remove:
                return
            if member is not None and member.WhichOneof("kind") not in (None, "null_value"):
                raise _MisfitError(f"{quoted(step)} holds no fields; change it as a whole")
            struct.fields[step].struct_value.SetInParent()
        struct = struct.fields[step].struct_value
    if last in struct.fields:  # asking first: to remove what is not there would make the object
        struct.fields.pop(last)
    if not change.remove:
        json_format.ParseDict(change.value, struct.fields[last])


def _find(descriptor: Any, name: str) -> FieldDescriptor | None:
    """Find a field by either of its names."""
    return next((field for field in descriptor.fields if name in (field.name, field.json_name)), None)


def _hint(descriptor: Any, name: str) -> str:
    near = nearest(name, tuple(field.json_name for field in descriptor.fields))
    return f"; did you mean {near}?" if near else ""


def _kind(value: Any) -> str:
    """Name the kind of a JSON value; bool comes first, since Python counts it among the numbers."""
    kinds = {
        bool: "true or false",
        str: "a text",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "null")
