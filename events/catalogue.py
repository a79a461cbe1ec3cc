"""The event catalogue: which event types and versions exist, and what each of their fields must be.

It is read once from the descriptors of the .proto files (the oneof `payload` of Event, and the options that
options.proto declares), and it is the only registry: a new event type is one .proto file and one line of the oneof.
"""

from datetime import date
from types import MappingProxyType
from typing import Any

import orjson
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from events.catalogue_checks import check_envelope, check_event_type, check_field
from events.event_type import (
    UNLIMITED,
    WIRE_MAX_DEPTH,
    Catalogue,
    CatalogueError,
    EventType,
    Field,
    Kind,
    Upcast,
    Version,
    is_version,
)
from sociallive.analytics.v1 import options_pb2
from sociallive.analytics.v1.event_pb2 import Event

STRUCT = "google.protobuf.Struct"

_INTEGER_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}

_EVENT: Descriptor = Event.DESCRIPTOR  # type: ignore[assignment] # the stub names two classes, one of them upb's
_EVENT_TYPE: Any = options_pb2.event_type
_RULES: Any = options_pb2.rules
# Any, because the generated stubs call extensions plain field descriptors.


def load_catalogue(event: Descriptor = _EVENT) -> Catalogue:
    """Read the catalogue from the descriptor of an Event message.

    Args:
        event: `sociallive.analytics.v1.Event`, or the same message of another descriptor pool.

    Raises:
        CatalogueError: the .proto files contradict themselves.
    """
    if "payload" not in event.oneofs_by_name:
        raise CatalogueError(
            f"{event.full_name} has no oneof `payload`; declare it, with one field for each event type"
        )
    types = {field.name: _read_event_type(field) for field in event.oneofs_by_name["payload"].fields}
    device = event.fields_by_name.get("device")
    if device is None or device.message_type is None:
        raise CatalogueError(f"{event.full_name} has no message `device`; declare it")
    catalogue = Catalogue(
        types=MappingProxyType(types),
        envelope=MappingProxyType(_read_envelope(event)),
        device=_read_fields(device.message_type),
        device_since=_rules_of(device).since,
    )
    check_envelope(event.full_name, catalogue)
    return catalogue


def _read_event_type(payload: FieldDescriptor) -> EventType:
    message = payload.message_type
    if message is None:
        raise CatalogueError(
            f"{payload.full_name} is not a message; the oneof `payload` must hold one message per event type"
        )
    options = descriptor_pb2.MessageOptions.FromString(message.GetOptions().SerializeToString())
    if not options.HasExtension(_EVENT_TYPE):
        raise CatalogueError(f"{message.full_name} lacks `option (event_type)`; declare its name and versions")
    declared: options_pb2.EventTypeOptions = options.Extensions[_EVENT_TYPE]
    event_type = EventType(
        name=declared.name,
        message_class=message_factory.GetMessageClass(message),
        versions=tuple(_read_version(message, version) for version in declared.versions),
        fields=_read_fields(message),
    )
    check_event_type(message.full_name, payload.name, event_type)
    return event_type


def _read_version(message: Descriptor, declared: options_pb2.SchemaVersion) -> Version:
    where = f"version {declared.version!r} of {message.full_name}"
    if not is_version(declared.version):
        raise CatalogueError(f'{where} is not a semantic version; write three numbers, for example "1.1.0"')
    return Version(
        version=declared.version,
        released=_read_date(declared.released, f"`released` of {where}"),
        deprecated=_read_date(declared.deprecated, f"`deprecated` of {where}") if declared.deprecated else None,
        upcasts=tuple(_read_upcast(upcast, where) for upcast in declared.upcasts),
    )


def _read_upcast(declared: options_pb2.Upcast, where: str) -> Upcast:
    if declared.WhichOneof("source") == "from":
        return Upcast(declared.field, source=getattr(declared, "from"))
    try:
        value = orjson.loads(declared.value)
    except orjson.JSONDecodeError:
        value = None
    if value is None:
        raise CatalogueError(
            f"the upcast of {declared.field} in {where} has the value {declared.value!r}; write JSON, for example `1` "
            'or `"app"`, or name another field with `from`'
        )
    return Upcast(declared.field, value=value)


def _read_date(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise CatalogueError(f'{where} is {text!r}; write a date, for example "2024-06-01"') from exc


def _read_envelope(event: Descriptor) -> dict[str, Field]:
    """Read the scalar fields that all events share; messages have their own rules, `timestamp_source` is output."""
    return {
        field.name: _read_field(field)
        for field in event.fields
        if field.containing_oneof is None and field.message_type is None and field.enum_type is None
    }


def _read_fields(message: Descriptor) -> tuple[Field, ...]:
    return tuple(_read_field(field) for field in message.fields)


def _rules_of(field: FieldDescriptor) -> options_pb2.FieldRules:
    options = descriptor_pb2.FieldOptions.FromString(field.GetOptions().SerializeToString())
    rules: options_pb2.FieldRules = options.Extensions[_RULES]
    return rules


def _read_field(descriptor: FieldDescriptor) -> Field:
    kind = _kind_of(descriptor)
    rules = _rules_of(descriptor)
    field = Field(
        name=descriptor.name,
        json_name=descriptor.json_name,
        kind=kind,
        tracks_presence=descriptor.has_presence,
        integer_range=_INTEGER_RANGES[descriptor.cpp_type] if kind is Kind.INTEGER else None,
        since=rules.since,
        required=rules.required,
        minimum=rules.minimum if rules.HasField("minimum") else None,
        maximum=rules.maximum if rules.HasField("maximum") else None,
        max_length=rules.max_length or UNLIMITED,
        format=_format_of(descriptor, rules.format),
        allowed_values=tuple(rules.allowed_values),
        known_values=tuple(rules.known_values),
        unit=rules.unit,
        max_items=rules.max_items or UNLIMITED,
        max_depth=rules.max_depth or WIRE_MAX_DEPTH,
    )
    check_field(descriptor.full_name, field)
    return field


def _format_of(descriptor: FieldDescriptor, number: int) -> str:
    if number == options_pb2.TEXT_FORMAT_UNSPECIFIED:
        return ""
    if number not in options_pb2.TextFormat.values():
        raise CatalogueError(f"{descriptor.full_name} has the format {number}, which options.proto does not define")
    return options_pb2.TextFormat.Name(number).removeprefix("TEXT_FORMAT_")


def _kind_of(descriptor: FieldDescriptor) -> Kind:
    """Return the kind of a field's value.

    Raises:
        CatalogueError: neither JSON callers nor the rules support the field's type.
    """
    cpp_type = descriptor.cpp_type
    if descriptor.message_type is not None and not descriptor.is_repeated:
        if descriptor.message_type.full_name == STRUCT:
            return Kind.OBJECT
    elif cpp_type == FieldDescriptor.CPPTYPE_STRING and descriptor.type == FieldDescriptor.TYPE_STRING:
        return Kind.TEXTS if descriptor.is_repeated else Kind.TEXT
    elif not descriptor.is_repeated:
        if cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
            return Kind.NUMBER
        if cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return Kind.FLAG
        if cpp_type in _INTEGER_RANGES:
            return Kind.INTEGER
    raise CatalogueError(
        f"{descriptor.full_name} has a type that event fields cannot have; use string, double, an integer, bool, "
        "repeated string or google.protobuf.Struct"
    )
